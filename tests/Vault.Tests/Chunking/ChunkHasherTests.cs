using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Backup.Vault.Chunking;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Vault.Tests.Chunking;

public sealed class ChunkHasherTests
{
    private const string NeedsAvx512 = "This processor has no AVX-512: ids are computed one after another, which the other tests check.";
    private static readonly byte[] Key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];

    /// <summary>One after another, and where the processor can, side by side.</summary>
    public static TheoryData<bool> Ways => Sha256Lanes.IsSupported ? [false, true] : [false];

    [Theory]
    [MemberData(nameof(Ways))]
    public void IdsOf_EveryLengthAroundBlockBorders_AreThoseOfTheLibrary(bool sideBySide)
    {
        // Sixteen of each length fill the lanes; 55 and 56 are where the length needs another block.
        using var hasher = new ChunkHasher(Key, sideBySide);
        for (var length = 0; length <= 3 * 64; length++) AssertSame(hasher, [.. Enumerable.Repeat(length, 16)]);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void IdsOf_EveryNumberOfChunks_AreThoseOfTheLibrary(bool sideBySide)
    {
        using var hasher = new ChunkHasher(Key, sideBySide);
        for (var count = 0; count <= 50; count++) AssertSame(hasher, [.. Enumerable.Repeat(1000 + count, count)]);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void IdsOf_ChunksOfAllLengths_AreThoseOfTheLibraryInTheirOrder(bool sideBySide)
    {
        using var hasher = new ChunkHasher(Key, sideBySide);
        AssertSame(hasher, [.. Enumerable.Range(0, 300).Select(i => i * 7919 % 1021)]);
        AssertSame(hasher, [.. Enumerable.Repeat(16 * 1024, 31), 5000, 1_000_000, 3, .. Enumerable.Repeat(16 * 1024, 17)]);
    }

    [Fact]
    public void HmacLanes_LanesThatEndAtDifferentBlocks_AreThoseOfTheLibrary()
    {
        Assert.SkipUnless(Sha256Lanes.IsSupported, NeedsAvx512);
        for (var count = 1; count <= 16; count++)
        {
            // Longest first, and so different that a lane ends at nearly every block: what nobody would choose to hash side by side.
            ChunkPlace[] places = [.. Enumerable.Range(0, count).Select(i => new ChunkPlace(i * 13, (count - i) * 61))];
            var data = RandomBytes(2000);
            var ids = new ChunkId[count];
            new HmacLanes(Key).Hash(data, places, ids);
            ids.ShouldBe(places.Select(place => ChunkHasher.IdOf(Key, data.AsSpan(place.Offset, place.Length))));
        }
    }

    [Fact]
    public void HmacLanes_PlaceOutsideTheData_Throws()
    {
        Assert.SkipUnless(Sha256Lanes.IsSupported, NeedsAvx512);
        var lanes = new HmacLanes(Key);
        Should.Throw<ArgumentOutOfRangeException>(() => lanes.Hash(new byte[100], [new ChunkPlace(64, 37)], new ChunkId[1]));
        Should.Throw<ArgumentOutOfRangeException>(() => lanes.Hash(new byte[1000], [new ChunkPlace(0, 1), new ChunkPlace(0, 1000)], new ChunkId[2]));
    }

    // RFC 4231, test cases 1, 2 and 3: HMAC-SHA-256 with known keys, data and results.
    [Theory]
    [InlineData("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")]
    [InlineData("4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd", "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe")]
    public void IdsOf_PublishedExamples_HaveThePublishedResults(string key, string data, string expected)
    {
        var chunk = Convert.FromHexString(data);
        foreach (var sideBySide in Ways)
        {
            using var hasher = new ChunkHasher(Convert.FromHexString(key), sideBySide);
            foreach (var id in hasher.IdsOf(chunk, [.. Enumerable.Repeat(new ChunkPlace(0, chunk.Length), 16)])) id.ToString().ShouldBe(expected);
        }
    }

    // FIPS 180-4's examples: no bytes, one block, two blocks.
    [Theory]
    [InlineData("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")]
    public unsafe void Compress_PublishedExamples_HaveThePublishedResults(string message, string expected)
    {
        Assert.SkipUnless(Sha256Lanes.IsSupported, NeedsAvx512);
        var blocks = (message.Length + 9 + 63) / 64;
        var padded = new byte[blocks * 64];
        Encoding.ASCII.GetBytes(message, padded);
        padded[message.Length] = 0x80;
        BinaryPrimitives.WriteUInt64BigEndian(padded.AsSpan(padded.Length - 8), (ulong)message.Length * 8);
        var state = new uint[8 * 16];
        for (var i = 0; i < state.Length; i++) state[i] = Sha256Lanes.Initial[i / 16];
        fixed (byte* start = padded)
        fixed (uint* words = state)
        {
            var messages = stackalloc byte*[16];
            for (var lane = 0; lane < 16; lane++) messages[lane] = start;
            Sha256Lanes.Compress(words, messages, blocks);
            for (var lane = 0; lane < 16; lane++) (messages[lane] - start).ShouldBe(padded.Length);
        }

        for (var lane = 0; lane < 16; lane++) string.Concat(Enumerable.Range(0, 8).Select(word => state[(word * 16) + lane].ToString("x8", CultureInfo.InvariantCulture))).ShouldBe(expected);
    }

    private static void AssertSame(ChunkHasher hasher, int[] lengths)
    {
        // At odd places: lanes read where chunks lie, not where vectors would like them.
        var places = new ChunkPlace[lengths.Length];
        var at = 1;
        for (var i = 0; i < lengths.Length; i++)
        {
            places[i] = new ChunkPlace(at, lengths[i]);
            at += lengths[i];
        }

        var data = RandomBytes(at + 1);
        var expected = places.Select(place => new ChunkId(new ContentHash(HMACSHA256.HashData(Key, data.AsSpan(place.Offset, place.Length)))));
        hasher.IdsOf(data, places).ToArray().ShouldBe(expected);
    }

    private static byte[] RandomBytes(int count)
    {
        var data = new byte[count];
        new Random(count).NextBytes(data);
        return data;
    }
}
