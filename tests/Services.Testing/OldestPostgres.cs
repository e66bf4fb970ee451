using System.Runtime.InteropServices;
using Backup.LocalStack;
using Backup.LocalStack.Services;
using Xunit;

namespace Backup.Services.Testing;

/// <summary>Server programs of the oldest PostgreSQL that is supported, from npm (<c>postgres-13</c> beside this file). Server only: no pg_dump, no psql.</summary>
public static class OldestPostgres
{
    /// <summary>Its major version.</summary>
    public const int MajorVersion = 13;

    /// <summary>Installs them once per checkout. Skips the test on machines that npm has none for.</summary>
    /// <returns>The <c>bin</c> folder.</returns>
    /// <exception cref="LocalStackException">npm is missing or failed.</exception>
    public static async Task<string> InstallAsync(CancellationToken cancel)
    {
        if (RuntimeInformation.OSArchitecture != Architecture.X64)
        {
            Assert.Skip($"npm has PostgreSQL {MajorVersion} for x64 only.");
        }

        return (await LocalPackages.InstallFromAsync(Path.Combine(Checkout.Root, "tests", "Services.Testing", $"postgres-{MajorVersion}"), null, cancel).ConfigureAwait(false)).PostgresPrograms;
    }
}
