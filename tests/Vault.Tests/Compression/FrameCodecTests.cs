using Backup.Vault.Compression;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Compression;

public sealed class FrameCodecTests
{
    public static TheoryData<int, int, int> Shapes => new()
    {
        { 0, 0, 0 }, { 1, 0, 0 }, { 100_000, 0, 0 }, { 100_000, 8, 0 }, { 100_001, 8, 3 }, { 100_000, 4, 1 }, { 100_000, 57, 13 }, { 16, 8, 0 }, { 15, 8, 0 }, { 1_000_000, 2, 1 }, { 200_000, 65_535, 9 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Encoded_ByEitherImplementation_DecodesByBoth(int length, int stride, int phase)
    {
        var content = TestVault.Bytes(length, length);
        foreach (var writer in (Func<ZstdCodec>[])[ZstdCodec.New, () => new ManagedZstd()])
        {
            foreach (var level in (int[])[0, 1, 3])
            {
                using var encoder = new FrameCodec(writer());
                var encoded = encoder.Encode(content, level, stride, phase).ToArray();
                foreach (var reader in (Func<ZstdCodec>[])[ZstdCodec.New, () => new ManagedZstd()])
                {
                    using var decoder = new FrameCodec(reader());
                    decoder.Decode(encoded, "it").Span.SequenceEqual(content).ShouldBeTrue();
                }
            }
        }
    }

    [Fact]
    public void Shuffle_OfNumbers_ShrinksAndIsKept()
    {
        var numbers = new byte[400_000];
        var random = new Random(1);
        for (var i = 0; i < numbers.Length / 4; i++) System.Buffers.Binary.BinaryPrimitives.WriteSingleBigEndian(numbers.AsSpan(i * 4), 1000f + (float)random.NextDouble());
        using var codec = new FrameCodec();
        var plain = codec.Encode(numbers, 1, 0, 0).Length;
        var shuffled = codec.Encode(numbers, 1, 4, 0);
        shuffled[1].ShouldBe((byte)4);
        shuffled.Length.ShouldBeLessThan(plain * 85 / 100);
    }

    /// <summary>Planes are zstd frames one after another; every decoder must take them as one body.</summary>
    [Fact]
    public void Shuffle_OfTableRows_DecodesByBothAndIsFarSmallerThanRows()
    {
        const int RowBytes = 24, Phase = 5;
        var rows = new byte[Phase + (20_000 * RowBytes) + 7];
        var random = new Random(3);
        for (var at = Phase; at + RowBytes <= rows.Length; at += RowBytes)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(rows.AsSpan(at), 39_000_000_000_000 + at);
            System.Buffers.Binary.BinaryPrimitives.WriteDoubleBigEndian(rows.AsSpan(at + 8), 150 + random.NextDouble());
            System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(rows.AsSpan(at + 16), 1L << random.Next(3));
        }

        using var codec = new FrameCodec();
        using var managed = new FrameCodec(new ManagedZstd());
        var plain = codec.Encode(rows, 1, 0, 0).Length;
        var encoded = codec.Encode(rows, 1, RowBytes, Phase).ToArray();
        encoded[1].ShouldBe((byte)RowBytes);
        encoded.Length.ShouldBeLessThan(plain * 85 / 100);
        foreach (var reader in (FrameCodec[])[codec, managed])
        {
            reader.Decode(encoded, "it").Span.SequenceEqual(rows).ShouldBeTrue();
            reader.DecodedShape.ShouldBe((RowBytes, Phase));
        }
    }

    [Fact]
    public void Shuffle_WhereItDoesNotHelp_IsNotKept()
    {
        var text = string.Concat(Enumerable.Range(0, 20_000).Select(i => $"line {i} of some text\n")).Select(c => (byte)c).ToArray();
        using var codec = new FrameCodec();
        codec.Encode(text, 1, 8, 0)[1].ShouldBe((byte)0);
    }

    [Fact]
    public void IncompressibleContent_IsStoredRaw()
    {
        var noise = new byte[500_000];
        new Random(2).NextBytes(noise);
        Compressibility.LooksIncompressible(noise).ShouldBeTrue();
        using var codec = new FrameCodec();
        codec.Encode(noise, 1, 0, 0).Length.ShouldBe(noise.Length + FrameCodec.HeaderBytes);
    }
}
