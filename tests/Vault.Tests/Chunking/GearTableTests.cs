using Backup.Vault.Chunking;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Chunking;

public sealed class GearTableTests
{
    private static readonly GearTable Gear = new(new byte[32]);

    [Fact]
    public void Cuts_StayWithinTheLimitsAndNearTheMean()
    {
        var data = Noise(1, 40_000_000);
        var lengths = Cut(Gear, data, ChunkSizes.Medium);
        lengths[..^1].ShouldAllBe(l => l >= ChunkSizes.Medium.Min && l <= ChunkSizes.Medium.Max);
        lengths.Sum().ShouldBe(data.Length);
        lengths.Average().ShouldBeInRange(ChunkSizes.Medium.Mean * 0.7, ChunkSizes.Medium.Mean * 1.5);
    }

    [Fact]
    public void Insertion_ChangesOnlyNearbyChunks()
    {
        var data = Noise(2, 20_000_000);
        byte[] changed = [.. data.AsSpan(0, 5_000_000), 1, 2, 3, .. data.AsSpan(5_000_000)];
        var before = Chunks(data).ToHashSet();
        var after = Chunks(changed).ToList();
        after.Count(c => !before.Contains(c)).ShouldBeLessThanOrEqualTo(4);
    }

    [Fact]
    public void AnotherKey_CutsElsewhere()
    {
        var data = Noise(3, 8_000_000);
        var key = new byte[32];
        key[31] = 1;
        var a = Ends(Cut(Gear, data, ChunkSizes.Medium));
        var b = Ends(Cut(new GearTable(key), data, ChunkSizes.Medium));
        a.Intersect(b).Count().ShouldBeLessThanOrEqualTo(1, "only the end of the data is common");
    }

    [Fact]
    public void Cuts_OfTheFormat_StayWhereVersionOnePutThem()
    {
        // These lengths are the format's: a change here finds no duplicates in existing vaults.
        var data = new byte[2_000_000];
        uint state = 1;
        for (var i = 0; i < data.Length; i++)
        {
            state = (state * 1664525) + 1013904223;
            data[i] = (byte)(state >> 24);
        }

        Cut(Gear, data, ChunkSizes.Medium).ShouldBe(VersionOne);
    }

    private static int[] VersionOne { get; } = [312_184, 309_875, 270_136, 247_817, 271_844, 371_788, 216_356];

    private static List<string> Chunks(byte[] data)
    {
        var at = 0;
        return [.. Cut(Gear, data, ChunkSizes.Medium).Select(length => Hash(data, (at += length) - length, length))];
    }

    private static string Hash(byte[] data, int at, int length) => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(data.AsSpan(at, length)));

    private static List<int> Ends(List<int> lengths)
    {
        var at = 0;
        return [.. lengths.Select(l => at += l)];
    }

    private static List<int> Cut(GearTable gear, byte[] data, ChunkSizes sizes)
    {
        var lengths = new List<int>();
        for (var at = 0; at < data.Length; at += lengths[^1]) lengths.Add(gear.FindCut(data.AsSpan(at), sizes));
        return lengths;
    }

    private static byte[] Noise(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
