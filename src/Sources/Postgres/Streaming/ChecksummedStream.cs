using Backup.Sources.Posix;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>Passes a file of an archive on, and knows the CRC-32C of what went through.</summary>
internal sealed class ChecksummedStream(Stream inner) : ForwardStream
{
    private uint _crc = uint.MaxValue;
    private long _passed;

    internal ReceivedFile Received => new(_passed, ~_crc);

    public override long Length => inner.Length;

    public override int Read(Span<byte> buffer)
    {
        var count = inner.Read(buffer);
        _passed += count;
        _crc = Crc32C.Add(_crc, buffer[..count]);
        return count;
    }
}
