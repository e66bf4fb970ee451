using Backup.Vault.Snapshots;

namespace Backup.Vault.Format;

/// <summary>
/// Reads the entries of a tree leaf one after another and checks each, without making an object of it: whoever only follows references
/// (prune, verification) reads millions of entries. See FORMAT.md, "Trees".
/// </summary>
internal ref struct LeafReader
{
    private ByteReader _reader, _parts;
    private readonly List<string> _names = [];
    private int _left;
    private long _modified, _changed, _size;
    private uint _mode, _user, _group;
    private ulong _device;
    private string _userName = "", _groupName = "";
    private ReadOnlySpan<byte> _linkTarget;
    private EntryNotes _notes;
    private HardLinkKey? _hardLink;
    private Xattr[] _attributes = [];
    private Extent[]? _extents;

    internal LeafReader(ReadOnlySpan<byte> node, string what)
    {
        _reader = new ByteReader(node, what);
        if (_reader.U8() != TreeDocument.LeafMark) throw _reader.Bad("it is not a tree leaf");
        Count = _left = _reader.Count(10);
    }

    /// <summary>How many entries the leaf has.</summary>
    internal int Count { get; }

    internal ReadOnlySpan<byte> Name { get; private set; }

    internal EntryType Type { get; private set; }

    internal TreeId? Subtree { get; private set; }

    /// <summary>Whether there is content; then what follows tells which.</summary>
    internal bool HasContent { get; private set; }

    /// <summary>As <see cref="Content.Depth"/>.</summary>
    internal int ContentDepth { get; private set; }

    internal long ContentLength { get; private set; }

    /// <summary>The content's parts, from the first on; only for an entry that has content.</summary>
    internal readonly PartReader ContentParts => new(_parts, ContentDepth == 0);

    /// <summary>False after the last entry. Throws at the first one that makes no sense.</summary>
    internal bool MoveNext()
    {
        if (_left == 0)
        {
            _reader.End();
            return false;
        }

        _left--;
        var before = Name;
        var parts = ReadFixedPart();
        if (before.Length > 0 && before.SequenceCompareTo(Name) >= 0) throw _reader.Bad("its names are not in order");
        _hardLink = (parts & TreeDocument.HasHardLink) != 0 ? new HardLinkKey(_reader.VarUInt(), _reader.VarUInt()) : null;
        _attributes = (parts & TreeDocument.HasAttributes) != 0 ? ReadAttributes() : [];
        _extents = (parts & TreeDocument.HasExtents) != 0 ? ReadExtents() : null;
        HasContent = (parts & TreeDocument.HasContent) != 0;
        (ContentDepth, ContentLength) = (0, 0);
        if (HasContent) ReadContent();
        Subtree = (parts & TreeDocument.HasSubtree) != 0 ? new TreeId(new ChunkId(_reader.Hash())) : null;
        Check();
        return true;
    }

    /// <summary>The entry as an object of its own.</summary>
    internal readonly TreeEntry ToEntry()
    {
        var parts = _parts;
        return new TreeEntry
        {
            Name = Name.ToArray(),
            Type = Type,
            Notes = _notes,
            Mode = _mode,
            UserId = _user,
            GroupId = _group,
            UserName = _userName,
            GroupName = _groupName,
            ModifiedNanoseconds = _modified,
            ChangedNanoseconds = _changed,
            Size = _size,
            LinkTarget = Type == EntryType.SymbolicLink ? _linkTarget.ToArray() : default(ReadOnlyMemory<byte>),
            DeviceNumber = _device,
            HardLink = _hardLink,
            Attributes = _attributes,
            Extents = _extents,
            Content = HasContent ? Content.Read(ref parts, ContentDepth) : null,
            Subtree = Subtree,
        };
    }

    /// <summary>What every entry has, and what its type asks for; answers which other parts follow.</summary>
    private byte ReadFixedPart()
    {
        Name = _reader.Blob(TreeEntry.NameBytesMax);
        if (!TreeDocument.IsValidName(Name)) throw _reader.Bad("an entry's name is not a file name");
        Type = (EntryType)_reader.U8();
        if (Type is < EntryType.File or > EntryType.BlockDevice) throw _reader.Bad("an entry is of an unknown type");
        var parts = _reader.U8();
        _notes = (EntryNotes)_reader.U8();
        _mode = (uint)_reader.VarUpTo(uint.MaxValue);
        _user = (uint)_reader.VarUpTo(uint.MaxValue);
        _group = (uint)_reader.VarUpTo(uint.MaxValue);
        _userName = ReadName();
        _groupName = ReadName();
        _modified = unchecked(_modified + _reader.VarInt());
        _changed = (parts & TreeDocument.HasChanged) != 0 ? unchecked(_modified + _reader.VarInt()) : 0;
        _size = Type == EntryType.File ? _reader.VarUpTo(long.MaxValue) : 0;
        _linkTarget = Type == EntryType.SymbolicLink ? _reader.Blob(TreeEntry.LinkTargetBytesMax) : default;
        _device = Type is EntryType.CharacterDevice or EntryType.BlockDevice ? _reader.VarUInt() : 0;
        return parts;
    }

    private void ReadContent()
    {
        ContentDepth = Content.ReadDepth(ref _reader);
        _parts = _reader;
        var parts = ContentParts;
        while (parts.MoveNext())
        {
        }

        ContentLength = parts.LengthSoFar;
        _reader = parts.Rest;
    }

    /// <summary>A reader that trusted these would write outside a file or recurse into a file's content.</summary>
    private readonly void Check()
    {
        if (HasContent && Type != EntryType.File) throw _reader.Bad("something that is no file has content");
        if (Subtree is not null && Type != EntryType.Directory) throw _reader.Bad("something that is no directory has a subtree");
        if (Type != EntryType.File || !HasContent) return;
        if (_extents is not { } extents)
        {
            // A file that changed while it was read may have another length than the listing said.
            if (ContentLength != _size && (_notes & EntryNotes.ChangedWhileRead) == 0) throw _reader.Bad("a file's content and size differ");
            return;
        }

        if (extents.Sum(e => e.Length) != ContentLength) throw _reader.Bad("a sparse file's stretches and content differ");
        if (extents.Length > 0 && extents[^1].Offset + extents[^1].Length > _size) throw _reader.Bad("a sparse file's stretches end beyond it");
    }

    private string ReadName()
    {
        var code = _reader.VarUpTo(_names.Count + 1);
        if (code == 0) return "";
        if (code > 1) return _names[(int)code - 2];
        var name = _reader.Text(1024);
        if (_names.Count < TreeDocument.NameTableMax) _names.Add(name);
        return name;
    }

    private Xattr[] ReadAttributes()
    {
        var count = Math.Min(_reader.Count(2), TreeEntry.AttributesMax + 1);
        if (count > TreeEntry.AttributesMax) throw _reader.Bad("an entry has too many attributes");
        var attributes = new Xattr[count];
        for (var i = 0; i < count; i++) attributes[i] = new Xattr(_reader.Text(1024), _reader.Blob(TreeDocument.AttributeBytesMax).ToArray());
        return attributes;
    }

    private Extent[] ReadExtents()
    {
        var count = _reader.Count(2);
        if (count > TreeDocument.ExtentsMax) throw _reader.Bad("a sparse file has too many stretches");
        var extents = new Extent[count];
        long end = 0;
        for (var i = 0; i < count; i++)
        {
            var offset = end + _reader.VarUpTo(long.MaxValue - end);
            var length = _reader.VarUpTo(long.MaxValue - offset);
            extents[i] = new Extent(offset, length);
            end = offset + length;
        }

        return extents;
    }
}

/// <summary>Reads the parts of a content, or of a stored list of parts, one by one.</summary>
internal ref struct PartReader
{
    private readonly long _partBytesMax;
    private ByteReader _reader;
    private int _left;

    /// <param name="reader">Stands before the count of parts.</param>
    /// <param name="areChunks">Whether the parts are chunks of content, which have a limit, or lists, which have none.</param>
    internal PartReader(ByteReader reader, bool areChunks)
    {
        _reader = reader;
        _partBytesMax = areChunks ? FrameDirectory.FrameBytesMax : long.MaxValue;
        Count = _left = _reader.Count(33);
    }

    internal int Count { get; }

    internal ContentPart Current { get; private set; }

    /// <summary>Length of the parts read so far, all together.</summary>
    internal long LengthSoFar { get; private set; }

    /// <summary>Stands behind the last part read.</summary>
    internal readonly ByteReader Rest => _reader;

    internal bool MoveNext()
    {
        if (_left == 0) return false;
        _left--;
        var id = new ChunkId(_reader.Hash());
        var length = _reader.VarUpTo(Math.Min(_partBytesMax, long.MaxValue - LengthSoFar));
        LengthSoFar += length;
        Current = new ContentPart(id, length);
        return true;
    }
}
