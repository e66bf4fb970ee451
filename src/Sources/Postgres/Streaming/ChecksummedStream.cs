using System.Buffers.Binary;
using System.Numerics;
using Backup.Sources.Posix;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>Passes a file of an archive on, and knows the CRC-32C of what went through.</summary>
internal sealed class ChecksummedStream(Stream inner) : ForwardStream
{
    private uint _crc = uint.MaxValue;

    internal ReceivedFile Received => new(Passed, ~_crc);

    private long Passed { get; set; }

    public override long Length => inner.Length;

    public override int Read(Span<byte> buffer)
    {
        var count = inner.Read(buffer);
        var rest = buffer[..count];
        Passed += count;
        for (; rest.Length >= sizeof(ulong); rest = rest[sizeof(ulong)..])
            _crc = BitOperations.Crc32C(_crc, BinaryPrimitives.ReadUInt64LittleEndian(rest));
        foreach (var value in rest)
            _crc = BitOperations.Crc32C(_crc, value);
        return count;
    }
}
