using System.Security.Cryptography;
using Backup.Vault;
using Backup.Vault.Format;
using Backup.Vault.Indexing;
using Backup.Vault.Storage;

namespace Backup.Benchmarks.Vault;

/// <summary><c>vault-index [MILLIONS]</c>: memory and look-up time of a synthetic index; ten million chunks by default.</summary>
internal static class IndexMemory
{
    private const int ChunksPerFrame = 1, FramesPerPack = 16;

    internal static Task<int> RunAsync(string[] args)
    {
        var millions = args.Length > 0 ? int.Parse(args[0], System.Globalization.CultureInfo.InvariantCulture) : 10;
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var index = new ChunkIndex();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        for (var pack = 0; pack < millions * 1_000_000 / (FramesPerPack * ChunksPerFrame); pack++)
        {
            var directory = new FrameDirectory();
            for (var frame = 0; frame < FramesPerPack; frame++)
                directory.AddFrame(700_000, [new ListedChunk(IdOf(((long)pack * FramesPerPack) + frame), 1_000_000)]);
            index.AddPack(new IndexedPack(new ObjectName(ObjectKind.DataPack, IdOf(-pack - 1).Hash), 12_000_000, directory), isAbsent: false);
        }

        var added = watch.Elapsed;
        watch.Restart();
        const int LookUps = 1_000_000;
        for (var i = 0; i < LookUps; i++)
            if (!index.TryLocate(IdOf(i * 7L % index.ChunkCount), out _)) throw new InvalidOperationException("An added chunk was not found.");
        var held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Console.WriteLine($"{index.ChunkCount:N0} chunks: {(double)held / index.ChunkCount:F1} B per chunk held, built in {added.TotalSeconds:F1} s, {watch.Elapsed.TotalMicroseconds / LookUps:F2} µs per look-up (hashing the key included)");
        using var self = System.Diagnostics.Process.GetCurrentProcess();
        Console.WriteLine($"peak working set {self.PeakWorkingSet64 / 1e6:N0} MB");
        return Task.FromResult(0);
    }

    private static ChunkId IdOf(long number)
    {
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(BitConverter.GetBytes(number), hash);
        return new ChunkId(new ContentHash(hash));
    }
}
