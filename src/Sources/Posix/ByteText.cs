using System.Globalization;
using System.Text;

namespace Backup.Sources.Posix;

/// <summary>
/// Names and paths as Linux has them: bytes, usually but not always UTF-8. Shown to people as UTF-8, with every byte that is
/// not, and every control character, written as <c>\xNN</c>, so that two different names never look the same.
/// </summary>
public static class ByteText
{
    /// <summary>The order of names in trees: by their bytes.</summary>
    internal static Comparer<byte[]> Order { get; } = Comparer<byte[]>.Create(static (left, right) => left.AsSpan().SequenceCompareTo(right));

    internal static byte[] Encode(string path) => Encoding.UTF8.GetBytes(path);

    /// <summary>The bytes as people read them.</summary>
    public static string Display(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        while (!bytes.IsEmpty)
        {
            var status = Rune.DecodeFromUtf8(bytes, out var rune, out var used);
            if (status == System.Buffers.OperationStatus.Done && !Rune.IsControl(rune) && rune.Value != '\\')
                text.Append(rune.ToString());
            else
                foreach (var value in bytes[..used])
                    text.Append(CultureInfo.InvariantCulture, $"\\x{value:x2}");
            bytes = bytes[used..];
        }

        return text.ToString();
    }

    /// <summary>Joins with one slash; an empty parent gives the name alone.</summary>
    internal static byte[] Join(ReadOnlySpan<byte> parent, ReadOnlySpan<byte> name)
    {
        if (parent.IsEmpty)
            return name.ToArray();
        var slash = parent[^1] == (byte)'/' ? 0 : 1;
        var joined = new byte[parent.Length + slash + name.Length];
        parent.CopyTo(joined);
        joined[parent.Length + slash - 1] = (byte)'/';
        name.CopyTo(joined.AsSpan(parent.Length + slash));
        return joined;
    }

    /// <summary>The components of a path; empty ones and "." dropped. ".." is refused: it means different things before and after a restore.</summary>
    internal static List<byte[]> Split(ReadOnlySpan<byte> path)
    {
        var parts = new List<byte[]>();
        foreach (var range in path.Split((byte)'/'))
        {
            var part = path[range];
            if (part.IsEmpty || part.SequenceEqual("."u8))
                continue;
            if (part.SequenceEqual(".."u8))
                throw new ArgumentException("A path with '..' is not accepted; give the plain absolute path.", nameof(path));
            parts.Add(part.ToArray());
        }

        return parts;
    }
}
