using System.Buffers.Binary;
using System.Text;

namespace Backup.Sources.Postgres.Wal;

/// <summary>What a record is, as far as recovery can stop at it.</summary>
internal enum WalRecordKind
{
    Other,
    Commit,
    Abort,
    RestorePoint,
    Switch,
}

/// <summary>A relation as the log names it.</summary>
/// <param name="Database">The database's object id.</param>
/// <param name="FileNode">The number of its files.</param>
internal readonly record struct RelationFile(uint Database, uint FileNode);

/// <summary>A whole record whose checksum is right.</summary>
/// <param name="Start">Its first byte.</param>
/// <param name="End">Where the next one may begin.</param>
/// <param name="Kind">What it is.</param>
/// <param name="TransactionId">The transaction it belongs to, or 0. Of a prepared transaction's commit, the one that was prepared.</param>
/// <param name="Time">When, for commits, aborts and restore points.</param>
/// <param name="Name">A restore point's name.</param>
/// <param name="Changed">The table whose rows it changes; null for what leaves all rows as they were (vacuum, locks) or is no change of a table.</param>
internal readonly record struct WalRecord(Lsn Start, Lsn End, WalRecordKind Kind, uint TransactionId, DateTimeOffset? Time, string? Name, RelationFile? Changed = null)
{
    internal const int HeaderBytes = 24;

    /// <summary>How much of a record's content is looked at: enough for the kinds above.</summary>
    internal const int ContentBytesKept = 256;

    private const int XlogManager = 0;
    private const int TransactionManager = 1;
    private const int Heap2Manager = 9;
    private const int HeapManager = 10;
    private const int RestorePointBytes = 72;

    /// <summary>Times are counted in microseconds from here.</summary>
    private static readonly DateTimeOffset Epoch = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <param name="start">Its first byte.</param>
    /// <param name="end">Where the next one may begin.</param>
    /// <param name="header">The record's 24 bytes.</param>
    /// <param name="content">The beginning of what follows them.</param>
    /// <param name="majorVersion">Of the server that wrote it.</param>
    internal static WalRecord Read(Lsn start, Lsn end, ReadOnlySpan<byte> header, ReadOnlySpan<byte> content, int majorVersion)
    {
        var transaction = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
        var (manager, info) = (header[17], header[16]);
        var kind = manager switch
        {
            XlogManager => (info & 0xF0) switch
            {
                0x40 => WalRecordKind.Switch,
                0x70 => WalRecordKind.RestorePoint,
                _ => WalRecordKind.Other,
            },
            TransactionManager => (info & 0x70) switch
            {
                0x00 or 0x30 => WalRecordKind.Commit,
                0x20 or 0x40 => WalRecordKind.Abort,
                _ => WalRecordKind.Other,
            },
            _ => WalRecordKind.Other,
        };
        if (ChangesRows(manager, info))
            return new WalRecord(start, end, kind, transaction, null, null, FirstRelation(content, majorVersion));
        if (kind is WalRecordKind.Other or WalRecordKind.Switch || MainData(content) is not { Length: >= sizeof(long) } data)
            return new WalRecord(start, end, kind, transaction, null, null);
        var time = ReadTime(data);
        var name = kind == WalRecordKind.RestorePoint && data.Length >= RestorePointBytes ? ReadName(data[sizeof(long)..RestorePointBytes]) : null;
        if (manager == TransactionManager && (info & 0x70) is 0x30 or 0x40)
            transaction = PreparedTransaction(data, info) ?? transaction;
        return new WalRecord(start, end, kind, transaction, time, name);
    }

    private static bool ChangesRows(byte manager, byte info)
    {
        const int insert = 0x00, delete = 0x10, update = 0x20, truncate = 0x30, hotUpdate = 0x40, multiInsert = 0x50;
        var operation = info & 0x70;
        return manager switch
        {
            HeapManager => operation is insert or delete or update or truncate or hotUpdate,
            Heap2Manager => operation == multiInsert,
            _ => false,
        };
    }

    /// <summary>The relation of the first page that a record refers to; all pages of a change of rows are of one. Null when none is named.</summary>
    private static RelationFile? FirstRelation(ReadOnlySpan<byte> content, int majorVersion)
    {
        const int pageIdMax = 32, headerBytes = 4, imageHeaderBytes = 5, imageInfoOffset = 4, hasImage = 0x10, hasHole = 0x01;
        // The flags for compressed images moved when there came to be several methods.
        var isCompressed = majorVersion < 15 ? 0x02 : 0x1C;
        var at = headerBytes;
        if (content.Length <= at || content[0] > pageIdMax)
            return null;
        if ((content[1] & hasImage) != 0)
        {
            if (content.Length < at + imageHeaderBytes)
                return null;
            var image = content[at + imageInfoOffset];
            at += imageHeaderBytes + ((image & hasHole) != 0 && (image & isCompressed) != 0 ? sizeof(ushort) : 0);
        }

        return content.Length < at + 12
            ? null
            : new RelationFile(BinaryPrimitives.ReadUInt32LittleEndian(content[(at + 4)..]), BinaryPrimitives.ReadUInt32LittleEndian(content[(at + 8)..]));
    }

    /// <summary>The part that the record's manager wrote, which stands behind what all records may have; empty when it cannot be found.</summary>
    private static ReadOnlySpan<byte> MainData(ReadOnlySpan<byte> content)
    {
        const int shortData = 255, longData = 254, origin = 253, topTransaction = 252;
        while (content.Length > 0)
        {
            switch (content[0])
            {
                case shortData when content.Length >= 2:
                    return content.Slice(2, Math.Min(content[1], content.Length - 2));
                case longData when content.Length >= 5:
                    return content[5..];
                case origin when content.Length >= 3:
                    content = content[3..];
                    break;
                case topTransaction when content.Length >= 5:
                    content = content[5..];
                    break;
                default:
                    // Commits, aborts and restore points refer to no pages.
                    return [];
            }
        }

        return [];
    }

    /// <summary>The id stands behind optional parts whose lengths the record tells; null when they reach beyond what is kept.</summary>
    private static uint? PreparedTransaction(ReadOnlySpan<byte> data, byte info)
    {
        const int hasInfo = 0x80, database = 1, subtransactions = 2, relations = 4, invalidations = 8, twoPhase = 16, statistics = 256;
        var at = sizeof(long);
        if ((info & hasInfo) == 0 || data.Length < at + 4)
            return null;
        var parts = BinaryPrimitives.ReadUInt32LittleEndian(data[at..]);
        // The entries of dropped statistics have another length in every other version.
        if ((parts & twoPhase) == 0 || (parts & statistics) != 0)
            return null;
        at += 4 + ((parts & database) != 0 ? 8 : 0);
        foreach (var (flag, itemBytes) in ((int, int)[])[(subtransactions, 4), (relations, 12), (invalidations, 16)])
        {
            if ((parts & flag) == 0)
                continue;
            if (data.Length < at + 4)
                return null;
            var count = BinaryPrimitives.ReadInt32LittleEndian(data[at..]);
            if (count < 0 || count > data.Length)
                return null;
            at += 4 + (count * itemBytes);
        }

        return data.Length >= at + 4 ? BinaryPrimitives.ReadUInt32LittleEndian(data[at..]) : null;
    }

    private static DateTimeOffset? ReadTime(ReadOnlySpan<byte> data)
    {
        var microseconds = BinaryPrimitives.ReadInt64LittleEndian(data);
        var limit = (DateTimeOffset.MaxValue - Epoch).Ticks / TimeSpan.TicksPerMicrosecond;
        return microseconds >= 0 && microseconds <= limit ? Epoch.AddTicks(microseconds * TimeSpan.TicksPerMicrosecond) : null;
    }

    private static string ReadName(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }
}
