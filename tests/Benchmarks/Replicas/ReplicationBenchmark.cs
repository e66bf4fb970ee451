using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Azure;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;
using Backup.LocalStack.Services;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Storage;

namespace Backup.Benchmarks.Replicas;

/// <summary>
/// <c>replication DIR [PACKS] [ROUNDS]</c>: a vault of synthetic packs in a folder below DIR goes to Azurite, by turns through our replication and
/// by the plain SDK's parallel upload of the same files, each in a process of its own whose time and peak memory are printed.
/// </summary>
internal static class ReplicationBenchmark
{
    /// <summary>As the writer makes them.</summary>
    private const int PackBytes = 16 << 20;
    private const int AtOnce = 4;

    internal static async Task<int> RunAsync(string[] args)
    {
        switch (args)
        {
            case ["copy" or "sdk", var folder, var container, var sas]:
                return await MeasureAsync(args[0], folder, new Uri(container), sas);
            case [var folder, .. var rest]:
                return await CompareAsync(folder, Number(rest, 0, 100), Number(rest, 1, 3));
            default:
                await Console.Error.WriteLineAsync("usage: replication DIR [PACKS] [ROUNDS]");
                return 2;
        }
    }

    private static async Task<int> CompareAsync(string folder, int packs, int rounds)
    {
        var vault = Path.Combine(folder, "vault");
        await FillAsync(vault, packs);
        var packages = await LocalPackages.InstallAsync();
        var seconds = new Dictionary<string, List<double>> { ["copy"] = [], ["sdk"] = [] };
        for (var round = 0; round < rounds; round++)
        {
            foreach (var way in round % 2 == 0 ? new[] { "sdk", "copy" } : ["copy", "sdk"])
            {
                // A fresh one each time: it keeps what was deleted in memory for minutes, and has a limit.
                await using var azurite = await AzuriteServer.StartAsync(packages, new AzuriteOptions(Path.Combine(folder, "azurite")) { InMemory = true });
                var service = new BlobServiceClient(azurite.ConnectionString);
                var container = service.GetBlobContainerClient($"{way}-{round}");
                await container.CreateAsync();
                var sas = container.GenerateSasUri(new BlobSasBuilder(
                    BlobContainerSasPermissions.Create | BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read | (way == "sdk" ? BlobContainerSasPermissions.Write : 0), DateTimeOffset.UtcNow.AddHours(1))
                {
                    BlobContainerName = container.Name,
                    Resource = "c",
                }).Query.TrimStart('?');
                seconds[way].Add(await InAProcessOfItsOwnAsync(way, vault, container.Uri, sas));
            }
        }

        var (copy, sdk) = (Median(seconds["copy"]), Median(seconds["sdk"]));
        var bytes = (double)packs * PackBytes;
        Console.WriteLine(FormattableString.Invariant($"median: replication {bytes / copy / 1e6:F0} MB/s, SDK {bytes / sdk / 1e6:F0} MB/s, ratio {sdk / copy:F2}"));
        return 0;
    }

    private static async Task<double> InAProcessOfItsOwnAsync(string way, string vault, Uri container, string sas)
    {
        using var child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!) { ArgumentList = { "replication", way, vault, container.ToString(), sas }, RedirectStandardOutput = true })!;
        var said = await child.StandardOutput.ReadToEndAsync();
        await child.WaitForExitAsync();
        Console.Write(said);
        return child.ExitCode == 0 ? double.Parse(said.Split(' ')[1], CultureInfo.InvariantCulture) : throw new InvalidOperationException($"{way} failed");
    }

    private static async Task<int> MeasureAsync(string way, string folder, Uri container, string sas)
    {
        var watch = Stopwatch.StartNew();
        if (way == "copy")
        {
            var source = new FileSystemObjectStore(folder);
            var vault = await OpenVault.IdentifyAsync(source, default);
            var snapshot = (await source.ListAsync(ObjectKind.Snapshot, default).ToListAsync()).Single();
            var replica = Replica.Open(BlobLocation.Parse(container.ToString()), vault, BlobCredential.FromSas(sas));
            await new Replication(source, replica, TimeProvider.System).RunAsync(new SnapshotId(snapshot.Name.Hash), null, default);
        }
        else
        {
            var client = new BlobContainerClient(container, new AzureSasCredential(sas));
            var options = new BlobUploadOptions { TransferOptions = new StorageTransferOptions { MaximumConcurrency = AtOnce } };
            await Parallel.ForEachAsync(
                Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories), new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
                async (file, cancel) => await client.GetBlobClient(Path.GetRelativePath(folder, file)).UploadAsync(file, options, cancel));
        }

        var seconds = watch.Elapsed.TotalSeconds;
        var peak = (await File.ReadAllLinesAsync("/proc/self/status")).Single(l => l.StartsWith("VmHWM", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        Console.WriteLine(FormattableString.Invariant($"{way} {seconds:F2} s, {Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds:F2} CPU s, peak {long.Parse(peak, CultureInfo.InvariantCulture) / 1024} MiB"));
        return 0;
    }

    /// <summary>Packs of random bytes behind the prefix that says whose they are, which is all that a copy looks at; and one snapshot likewise.</summary>
    private static async Task FillAsync(string folder, int packs)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        var store = new FileSystemObjectStore(folder);
        await VaultCreation.CreateAsync(store, TimeProvider.System, default);
        var vault = await OpenVault.IdentifyAsync(store, default);
        for (var i = 0; i < packs; i++)
        {
            await AddAsync(ObjectKind.DataPack, PackBytes);
        }

        await AddAsync(ObjectKind.Snapshot, 1000);

        async Task AddAsync(ObjectKind kind, int length)
        {
            var content = RandomNumberGenerator.GetBytes(length);
            byte[] prefix = [.. "BKV"u8, (byte)kind, 1, 0, 0, 0, .. Convert.FromHexString(vault.ToString())];
            prefix.CopyTo(content, 0);
            await store.CreateAsync(ObjectName.For(kind, content), content, default);
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static int Number(string[] args, int at, int standard) => args.Length > at ? int.Parse(args[at], CultureInfo.InvariantCulture) : standard;
}
