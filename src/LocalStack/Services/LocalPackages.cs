using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace Backup.LocalStack.Services;

/// <summary>The npm packages with the servers of the local run: PostgreSQL and Azurite, at the versions of the lock file.</summary>
/// <param name="Modules">The <c>node_modules</c> folder.</param>
public sealed record LocalPackages(string Modules)
{
    private const string LockFile = ".npm.lock";
    private const string Stamp = ".installed-lock";

    private static readonly string[] Manifests = ["package.json", "package-lock.json", ".npmrc"];

    /// <summary>PostgreSQL's <c>bin</c> folder.</summary>
    public string PostgresPrograms => Path.Combine(PostgresPackage, "native", "bin");

    /// <summary>Azurite's blob server, a script for Node.</summary>
    public string AzuriteBlobScript => Path.Combine(Modules, "azurite", "dist", "src", "blob", "main.js");

    private string PostgresPackage => Path.Combine(Modules, "@embedded-postgres",
        RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64");

    /// <summary>Installs the packages unless this lock file's are installed already. Several processes may call it at once.</summary>
    /// <remarks>They go beside the lock file, or, where the checkout is not ours to write, into the user's cache folder.</remarks>
    /// <param name="progress">Told when an installation starts.</param>
    /// <param name="cancel">Ends the wait; a half-done installation is done again next time.</param>
    /// <exception cref="LocalStackException">npm is missing or failed; the message ends with what it printed.</exception>
    public static Task<LocalPackages> InstallAsync(IProgress<string>? progress = null, CancellationToken cancel = default) =>
        InstallFromAsync(Checkout.LocalInfrastructure, progress, cancel);

    /// <summary>As <see cref="InstallAsync"/>, what another manifest names: the tests have older servers.</summary>
    /// <param name="manifests">The folder that holds it and its lock file.</param>
    /// <param name="progress">Told when an installation starts.</param>
    /// <param name="cancel">Ends the wait; a half-done installation is done again next time.</param>
    /// <exception cref="LocalStackException">npm is missing or failed; the message ends with what it printed.</exception>
    public static async Task<LocalPackages> InstallFromAsync(string manifests, IProgress<string>? progress = null, CancellationToken cancel = default)
    {
        var wanted = HashOfManifests(manifests);
        if (IsInstalled(manifests, wanted))
        {
            return In(manifests);
        }

        var folder = IsWritable(manifests) ? manifests : CacheFolder(wanted);
        using var held = await FolderLock.TakeAsync(Path.Combine(folder, LockFile), cancel).ConfigureAwait(false);
        if (!IsInstalled(folder, wanted))
        {
            progress?.Report("Fetching PostgreSQL and Azurite from npm (once)");
            await InstallIntoAsync(manifests, folder, cancel).ConfigureAwait(false);
            // The stamp comes last: an installation cut short is never taken for a finished one.
            await File.WriteAllTextAsync(StampFile(folder), wanted, cancel).ConfigureAwait(false);
        }

        return In(folder);
    }

    private static async Task InstallIntoAsync(string manifests, string folder, CancellationToken cancel)
    {
        if (folder != manifests)
        {
            foreach (var manifest in Manifests)
            {
                File.Copy(Path.Combine(manifests, manifest), Path.Combine(folder, manifest), overwrite: true);
            }
        }

        await RunNpmAsync(folder, cancel).ConfigureAwait(false);
        var packages = In(folder);
        if (!File.Exists(Path.Combine(packages.PostgresPrograms, "postgres")))
        {
            throw new LocalStackException(LocalStackFault.Prerequisite, $"npm has no PostgreSQL binaries for {RuntimeInformation.RuntimeIdentifier}",
                "The local stack runs on Linux, x64 or arm64.");
        }

        packages.LinkPostgresLibraries();
    }

    /// <summary>Makes the links between library versions that the package lists, since npm packages cannot hold links.</summary>
    /// <remarks>The package's own install script would do this; scripts of packages are not run here.</remarks>
    private void LinkPostgresLibraries()
    {
        var list = File.ReadAllText(Path.Combine(PostgresPackage, "native", "pg-symlinks.json"));
        foreach (var link in JsonDocument.Parse(list).RootElement.EnumerateArray())
        {
            var source = Path.Combine(PostgresPackage, link.GetProperty("source").GetString()!);
            var target = Path.Combine(PostgresPackage, link.GetProperty("target").GetString()!);
            File.Delete(target);
            File.CreateSymbolicLink(target, Path.GetRelativePath(Path.GetDirectoryName(target)!, source));
        }
    }

    private static async Task RunNpmAsync(string folder, CancellationToken cancel)
    {
        try
        {
            var npm = await ProgramRun.OfAsync("npm", ["ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cancel).ConfigureAwait(false);
            if (npm.ExitCode != 0)
            {
                throw new LocalStackException(LocalStackFault.Prerequisite, $"`npm ci` in {folder} failed: {npm.Output}{npm.Errors}".Trim(),
                    "Check that npm can reach its registry, then start again.");
            }
        }
        catch (System.ComponentModel.Win32Exception cause)
        {
            throw new LocalStackException(LocalStackFault.Prerequisite, "npm was not found", "Install Node 20 or newer (it brings npm).", cause);
        }
    }

    private static LocalPackages In(string folder) => new(Path.Combine(folder, "node_modules"));

    private static string StampFile(string folder) => Path.Combine(folder, "node_modules", Stamp);

    private static bool IsInstalled(string folder, string wanted) => File.Exists(StampFile(folder)) && File.ReadAllText(StampFile(folder)) == wanted;

    private static string HashOfManifests(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var manifest in Manifests)
        {
            hash.AppendData(File.ReadAllBytes(Path.Combine(folder, manifest)));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static bool IsWritable(string folder)
    {
        try
        {
            File.OpenHandle(Path.Combine(folder, $".writable-{Guid.NewGuid():N}"), FileMode.CreateNew, FileAccess.Write, options: FileOptions.DeleteOnClose).Dispose();
            return true;
        }
        catch (Exception refused) when (refused is UnauthorizedAccessException or IOException)
        {
            // Someone else's checkout, or a read-only file system.
            return false;
        }
    }

    private static string CacheFolder(string wanted)
    {
        var cache = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create);
        return Directory.CreateDirectory(Path.Combine(cache, "backup-functions", "npm-" + wanted[..16])).FullName;
    }
}
