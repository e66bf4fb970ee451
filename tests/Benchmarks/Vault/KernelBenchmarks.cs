using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Backup.Vault.Chunking;
using Backup.Vault.Compression;
using Backup.Vault.Storage;
using BenchmarkDotNet.Attributes;

namespace Backup.Benchmarks.Vault;

/// <summary>How fast is each step that every byte goes through? One operation is 16 MiB.</summary>
[MemoryDiagnoser]
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "BenchmarkDotNet calls the clean-up.")]
public class KernelBenchmarks
{
    private const int Bytes = 16 * 1024 * 1024, FrameBytes = 1024 * 1024;
    private readonly byte[] _data = Backup.Vault.Testing.TestVault.Bytes(1, Bytes);
    private readonly byte[] _out = new byte[Bytes];
    private readonly byte[] _key = new byte[32];
    private readonly GearTable _gear = new(new byte[32]);
    private readonly FrameCodec _codec = new();
    private readonly FrameCodec _managed = new(new ManagedZstd());
    private readonly AesGcm _cipher = new(new byte[32], 16);
    private byte[][] _frames = [];

    [Params(1, 3)]
    public int Level { get; set; }

    [GlobalSetup]
    public void SetUp() => _frames = [.. _data.Chunk(FrameBytes).Select(f => _codec.Encode(f, Level, 0, 0).ToArray())];

    [GlobalCleanup]
    public void CleanUp()
    {
        _codec.Dispose();
        _managed.Dispose();
        _cipher.Dispose();
    }

    [Benchmark]
    public int Chunking()
    {
        var cuts = 0;
        for (var at = 0; at < Bytes; cuts++) at += _gear.FindCut(_data.AsSpan(at), ChunkSizes.Large);
        return cuts;
    }

    [Benchmark]
    public byte[] ChunkId() => HMACSHA256.HashData(_key, _data);

    [Benchmark]
    public ContentHash PackName() => ContentHash.Of(_data);

    [Benchmark]
    public void Encrypt() => _cipher.Encrypt(new byte[12], _data, _out, new byte[16]);

    [Benchmark]
    public int CompressFrames()
    {
        var total = 0;
        for (var at = 0; at < Bytes; at += FrameBytes) total += _codec.Encode(_data.AsSpan(at, FrameBytes), Level, 0, 0).Length;
        return total;
    }

    [Benchmark]
    public int CompressFramesManaged()
    {
        var total = 0;
        for (var at = 0; at < Bytes; at += FrameBytes) total += _managed.Encode(_data.AsSpan(at, FrameBytes), Level, 0, 0).Length;
        return total;
    }

    [Benchmark]
    public int DecompressFrames()
    {
        var total = 0;
        foreach (var frame in _frames) total += _codec.Decode(frame, "a frame").Length;
        return total;
    }

    [Benchmark]
    public void ShuffleDoubles() => ByteTransposition.Shuffle(_data, _out, 8, 0);

    [Benchmark]
    public void ShuffleRows() => ByteTransposition.Shuffle(_data, _out, 57, 0);
}
