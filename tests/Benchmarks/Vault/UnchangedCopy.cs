using System.Diagnostics;
using System.Globalization;
using Backup.Vault;
using Backup.Vault.Replicating;
using Backup.Vault.Storage;

namespace Backup.Benchmarks.Vault;

/// <summary>
/// <c>vault-copy DIR [PACKS]</c>: copies a vault of small synthetic packs, ten thousand by default, from one folder below DIR to another,
/// and measures the copy after it, which finds nothing to do.
/// </summary>
internal static class UnchangedCopy
{
    private const int PackBytes = 256, Runs = 5;

    internal static async Task<int> RunAsync(string[] args)
    {
        if (args.Length < 1)
        {
            await Console.Error.WriteLineAsync("usage: vault-copy DIR [PACKS]");
            return 2;
        }

        var packs = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 10_000;
        var source = new FileSystemObjectStore(Path.Combine(args[0], "source"));
        await VaultCreation.CreateAsync(source, TimeProvider.System, default);
        var vault = await OpenVault.IdentifyAsync(source, default);
        await Parallel.ForAsync(0, packs, async (number, cancel) =>
        {
            var content = PackOf(vault, number);
            await source.CreateAsync(ObjectName.For(ObjectKind.DataPack, content), content, cancel);
        });

        await CopyAsync("first copy");
        for (var run = 1; run <= Runs; run++) await CopyAsync($"unchanged {run}");
        return 0;

        async Task CopyAsync(string what)
        {
            // A store of its own each time, as a new process would have.
            var target = new FileSystemObjectStore(Path.Combine(args[0], "target"));
            var watch = Stopwatch.StartNew();
            var report = await Replicator.CopyAsync(new FileSystemObjectStore(source.Description), target, new CopyRequest(), null, default);
            Console.WriteLine($"{what}: {report.Inventory.Count:N0} objects, {report.Copied.Count:N0} copied, {watch.Elapsed.TotalSeconds:F2} s");
        }
    }

    /// <summary>A copy looks no further than the prefix (FORMAT.md): what follows need not be a pack.</summary>
    private static byte[] PackOf(VaultId vault, int number)
    {
        var content = new byte[PackBytes];
        byte[] prefix = [.. "BKV"u8, (byte)ObjectKind.DataPack, 1, 0, 0, 0, .. Convert.FromHexString(vault.ToString())];
        prefix.CopyTo(content, 0);
        BitConverter.TryWriteBytes(content.AsSpan(prefix.Length), number);
        return content;
    }
}
