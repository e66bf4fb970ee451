using Backup.Vault.Compression;
using Shouldly;

namespace Backup.Vault.Tests.Compression;

public sealed class ByteTranspositionTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(3)]
    [InlineData(57)]
    [InlineData(300)]
    public void Shuffle_AnyLengthAndPhase_IsTheDocumentedOrderAndComesBack(int stride)
    {
        for (var length = 0; length < 40 * stride; length += length < 3 * stride ? 1 : stride - 1)
        {
            var source = new byte[length];
            new Random(length).NextBytes(source);
            foreach (var phase in (int[])[0, 1, stride - 1])
            {
                if (phase > length) continue;
                var shuffled = new byte[length];
                ByteTransposition.Shuffle(source, shuffled, stride, phase);
                shuffled.ShouldBe(AsDocumented(source, stride, phase), $"length {length}, phase {phase}");
                var back = new byte[length];
                ByteTransposition.Unshuffle(shuffled, back, stride, phase);
                back.ShouldBe(source, $"length {length}, phase {phase}");
            }
        }
    }

    /// <summary>FORMAT.md: byte j of element k stands at phase + j · count + k; what belongs to no whole element stays.</summary>
    private static byte[] AsDocumented(byte[] source, int stride, int phase)
    {
        var result = source.ToArray();
        var count = (source.Length - phase) / stride;
        for (var k = 0; k < count; k++)
            for (var j = 0; j < stride; j++)
                result[phase + (j * count) + k] = source[phase + (k * stride) + j];
        return result;
    }
}
