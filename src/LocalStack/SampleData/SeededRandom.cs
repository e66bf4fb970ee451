namespace Backup.LocalStack.SampleData;

/// <summary>SplitMix64: the same seed gives the same sample data on every machine and framework version.</summary>
internal sealed class SeededRandom(ulong seed)
{
    private ulong _state = seed;

    public ulong NextUInt64()
    {
        _state += 0x9E3779B97F4A7C15;
        var z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>Uniform in [0, 1).</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [from, to).</summary>
    public double Between(double from, double to) => from + (to - from) * NextDouble();

    /// <summary>Uniform in [0, limit).</summary>
    public int Below(int limit) => (int)(NextUInt64() % (ulong)limit);

    /// <summary>About normal with mean 0 and deviation 1: the sum of four uniform 16-bit parts of one draw, scaled.</summary>
    public double NextNoise()
    {
        var bits = NextUInt64();
        var sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
        return (sum / 65536.0 - 2.0) * 1.7320508;
    }
}
