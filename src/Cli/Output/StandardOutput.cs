using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Backup.Cli.Output;

/// <summary>
/// Standard output as a stream that says when nobody reads it any more. The framework's own goes on as if everything were written, and
/// <c>backupctl cat BIG | head</c> would read the whole file from the vault; its file stream would keep an offset of its own.
/// </summary>
internal sealed unsafe partial class StandardOutput : Stream
{
    /// <summary>EPIPE: as <see cref="Exception.HResult"/> of the failure, and as exit code 141 what a shell expects.</summary>
    public const int BrokenPipe = 32;

    /// <summary>ENOSPC.</summary>
    public const int NoSpace = 28;

    private const int Descriptor = 1, Interrupted = 4, TryAgain = 11;
    private const short CanWriteNow = 4;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <exception cref="IOException">With the system's error number.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            nint written;
            fixed (byte* start = buffer)
                written = WriteTo(Descriptor, start, (nuint)buffer.Length);
            if (written >= 0)
            {
                buffer = buffer[(int)written..];
                continue;
            }

            var error = Marshal.GetLastPInvokeError();
            if (error == TryAgain)
            {
                // Somebody made the terminal or pipe non-blocking: wait until it takes more.
                var wait = new PollDescriptor { Descriptor = Descriptor, Wanted = CanWriteNow };
                _ = Poll(&wait, 1, -1);
            }
            else if (error != Interrupted)
            {
                throw new IOException($"Standard output cannot be written: {new Win32Exception(error).Message}.", error);
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
        // Nothing is held back.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteTo(int descriptor, byte* start, nuint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Wanted;
        public short Found;
    }
}
