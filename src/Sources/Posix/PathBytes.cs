using System.Buffers;

namespace Backup.Sources.Posix;

/// <summary>A NUL-terminated copy of a path for one call: on the stack when short, rented when long.</summary>
internal ref struct PathBytes
{
    internal const int StackBytes = 512;

    private readonly byte[]? _rented;

    internal PathBytes(ReadOnlySpan<byte> path, Span<byte> stack)
    {
        if (path.Contains((byte)0))
            throw new ArgumentException("A path cannot hold a zero byte.", nameof(path));
        if (path.Length >= stack.Length)
            stack = _rented = ArrayPool<byte>.Shared.Rent(path.Length + 1);
        path.CopyTo(stack);
        stack[path.Length] = 0;
        Terminated = stack[..(path.Length + 1)];
    }

    internal readonly Span<byte> Terminated { get; }

    public readonly void Dispose()
    {
        if (_rented is not null)
            ArrayPool<byte>.Shared.Return(_rented);
    }
}
