using System.Collections.Immutable;
using Backup.Vault.Format;

namespace Backup.Vault.Snapshots;

/// <summary>One piece of a content: a chunk, or (in a spilled content) a stored list of pieces.</summary>
/// <param name="Id">The chunk.</param>
/// <param name="Length">How many bytes of the content it stands for.</param>
public readonly record struct ContentPart(ChunkId Id, long Length);

/// <summary>What a file holds: the chunks that make it up, in order. Immutable; equal contents have equal parts.</summary>
public sealed class Content
{
    internal const int DepthMax = 3, PartsMax = 64 * 1024 * 1024;

    internal Content(long length, int depth, ImmutableArray<ContentPart> parts)
    {
        Length = length;
        Depth = depth;
        Parts = parts;
    }

    /// <summary>The content of an empty file.</summary>
    public static Content Empty { get; } = new(0, 0, []);

    /// <summary>Length in bytes.</summary>
    public long Length { get; }

    /// <summary>Zero when <see cref="Parts"/> are chunks of data. More when they are stored lists, as trees keep the parts of large files; a reader expands them.</summary>
    public int Depth { get; }

    /// <summary>The parts, whose lengths add up to <see cref="Length"/>.</summary>
    public ImmutableArray<ContentPart> Parts { get; }

    /// <summary>A compact form for a local cache of unchanged files. It names chunks and holds no data.</summary>
    public byte[] ToBytes()
    {
        var w = new ByteWriter(16 + (Parts.Length * 36));
        Write(w);
        return w.ToArray();
    }

    /// <summary>Reads <see cref="ToBytes"/>'s form; the cache is not trusted.</summary>
    /// <exception cref="VaultException">Damaged.</exception>
    public static Content FromBytes(ReadOnlySpan<byte> bytes)
    {
        var r = new ByteReader(bytes, "A cached content");
        var content = Read(ref r);
        r.End();
        return content;
    }

    /// <summary>One content after another: for a file that grows, whose beginning is stored already.</summary>
    /// <exception cref="ArgumentException">A content keeps its parts in stored lists; expand it first.</exception>
    public static Content Join(params ReadOnlySpan<Content> pieces)
    {
        var parts = ImmutableArray.CreateBuilder<ContentPart>();
        long length = 0;
        foreach (var piece in pieces)
        {
            if (piece.Depth != 0) throw new ArgumentException("Only contents that list their chunks can be joined.", nameof(pieces));
            parts.AddRange(piece.Parts);
            length += piece.Length;
        }

        return new Content(length, 0, parts.ToImmutable());
    }

    /// <summary>Some of the parts, as a content of its own: for a file of which a stretch is known to be unchanged.</summary>
    /// <param name="first">The first part.</param>
    /// <param name="count">How many.</param>
    /// <exception cref="ArgumentException">The content keeps its parts in stored lists; expand it first.</exception>
    public Content Slice(int first, int count)
    {
        if (Depth != 0) throw new ArgumentException("Only a content that lists its chunks can be cut.", nameof(first));
        var parts = Parts.Slice(first, count);
        return new Content(parts.Sum(part => part.Length), 0, parts);
    }

    /// <summary>True when both are made of the same parts, so the bytes are the same.</summary>
    public bool SameAs(Content other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Length == other.Length && Depth == other.Depth && Parts.AsSpan().SequenceEqual(other.Parts.AsSpan());
    }

    internal void Write(ByteWriter w)
    {
        w.U8((byte)Depth);
        WriteParts(w, Parts.AsSpan());
    }

    internal static Content Read(ref ByteReader r) => Read(ref r, ReadDepth(ref r));

    /// <summary>The rest of a content whose depth was read already.</summary>
    internal static Content Read(ref ByteReader r, int depth)
    {
        var reader = new PartReader(r, areChunks: depth == 0);
        var parts = ImmutableArray.CreateBuilder<ContentPart>(reader.Count);
        while (reader.MoveNext()) parts.Add(reader.Current);
        r = reader.Rest;
        return new Content(reader.LengthSoFar, depth, parts.MoveToImmutable());
    }

    internal static int ReadDepth(ref ByteReader r)
    {
        var depth = r.U8();
        return depth <= DepthMax ? depth : throw r.Bad("a content is nested too deeply");
    }

    internal static void WriteParts(ByteWriter w, ReadOnlySpan<ContentPart> parts)
    {
        w.VarUInt(parts.Length);
        foreach (var part in parts)
        {
            w.Hash(part.Id.Hash);
            w.VarUInt(part.Length);
        }
    }
}
