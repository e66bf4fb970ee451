using Backup.Vault.Testing;

namespace Backup.Benchmarks.Vault;

/// <summary><c>vault-golden DIR</c>: makes the fixture of a new format version, once.</summary>
internal static class GoldenRun
{
    internal static async Task<int> RunAsync(string[] args)
    {
        if (args.Length != 1)
        {
            await Console.Error.WriteLineAsync("usage: vault-golden DIR");
            return 2;
        }

        await GoldenVault.WriteAsync(args[0]);
        return 0;
    }
}
