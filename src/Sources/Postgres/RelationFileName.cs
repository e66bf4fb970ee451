using System.Buffers.Text;

namespace Backup.Sources.Postgres;

internal enum RelationFork
{
    Main,
    FreeSpaceMap,
    VisibilityMap,
    Init,
}

/// <summary>
/// The name of a relation's file: <c>FILENODE[_fsm|_vm|_init][.SEGMENT]</c>, with <c>tBACKEND_</c> in front for temporary ones.
/// </summary>
internal readonly record struct RelationFileName(uint FileNode, RelationFork Fork, uint Segment, bool IsTemporary)
{
    /// <summary>Blocks in a full segment file of 1 GiB.</summary>
    internal const uint SegmentBlocks = 131072;

    internal static bool TryParse(ReadOnlySpan<byte> name, out RelationFileName parsed)
    {
        parsed = default;
        var rest = name;
        var isTemporary = false;
        if (rest.Length > 1 && rest[0] == (byte)'t')
        {
            if (!TakeNumber(rest[1..], out _, out var backendDigits) || rest.Length <= backendDigits + 1 || rest[backendDigits + 1] != (byte)'_')
                return false;
            rest = rest[(backendDigits + 2)..];
            isTemporary = true;
        }

        if (!TakeNumber(rest, out var fileNode, out var digits))
            return false;
        rest = rest[digits..];
        var fork = TakeFork(ref rest, "_fsm"u8) ? RelationFork.FreeSpaceMap
            : TakeFork(ref rest, "_vm"u8) ? RelationFork.VisibilityMap
            : TakeFork(ref rest, "_init"u8) ? RelationFork.Init
            : RelationFork.Main;
        uint segment = 0;
        if (!rest.IsEmpty)
        {
            if (rest[0] != (byte)'.' || !TakeNumber(rest[1..], out segment, out digits) || digits != rest.Length - 1)
                return false;
        }

        parsed = new RelationFileName(fileNode, fork, segment, isTemporary);
        return true;
    }

    private static bool TakeNumber(ReadOnlySpan<byte> text, out uint value, out int digits)
    {
        digits = text.IndexOfAnyExceptInRange((byte)'0', (byte)'9') is var end && end < 0 ? text.Length : end;
        value = 0;
        return digits > 0 && Utf8Parser.TryParse(text[..digits], out value, out var used) && used == digits;
    }

    private static bool TakeFork(ref ReadOnlySpan<byte> rest, ReadOnlySpan<byte> suffix)
    {
        if (!rest.StartsWith(suffix))
            return false;
        rest = rest[suffix.Length..];
        return true;
    }
}
