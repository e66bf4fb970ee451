using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Pruning;

/// <summary>A pack that a prune means to delete, or has deleted.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="MarkedAt">When it was first marked.</param>
/// <param name="DeletedAt">When a sweep deleted it; null while it waits. Kept for another grace period, so that old writers see it.</param>
internal readonly record struct PruneMark(ObjectName Pack, DateTimeOffset MarkedAt, DateTimeOffset? DeletedAt);

/// <summary>All marks of a vault: the union of its mark objects. In clear: they name packs, which listings show anyway.</summary>
internal sealed class MarkSet
{
    private const int MarksPerObject = 100_000;
    private readonly Dictionary<ObjectName, PruneMark> _marks = [];

    /// <summary>The objects the marks were read from.</summary>
    internal List<ObjectName> Sources { get; } = [];

    internal IReadOnlyDictionary<ObjectName, PruneMark> Marks => _marks;

    internal bool IsMarked(ObjectName pack) => _marks.ContainsKey(pack);

    internal bool SameAs(MarkSet other) => Sources.ToHashSet().SetEquals(other.Sources);

    internal static async Task<MarkSet> LoadAsync(IObjectStore store, VaultId vault, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            var set = new MarkSet();
            set.Sources.AddRange((await StoreReading.ListAllAsync(store, ObjectKind.PruneMarks, cancel).ConfigureAwait(false)).Select(o => o.Name));
            try
            {
                foreach (var (name, content) in await StoreReading.ReadAllVerifiedAsync(store, set.Sources, cancel).ConfigureAwait(false))
                    foreach (var mark in Parse(content, vault, name.ToString())) set.Add(mark);
                return set;
            }
            catch (VaultException e) when (e.Fault == VaultFault.NotFound && attempt < 5)
            {
                // A prune replaced them between listing and reading: look again.
            }
        }
    }

    /// <summary>The earliest mark counts, and a deletion is never forgotten by an older statement.</summary>
    internal void Add(PruneMark mark)
    {
        if (!_marks.TryGetValue(mark.Pack, out var known)) _marks.Add(mark.Pack, mark);
        else _marks[mark.Pack] = new PruneMark(mark.Pack, known.MarkedAt < mark.MarkedAt ? known.MarkedAt : mark.MarkedAt, known.DeletedAt ?? mark.DeletedAt);
    }

    internal static IEnumerable<byte[]> ToObjects(VaultId vault, IEnumerable<PruneMark> marks)
    {
        foreach (var part in marks.Chunk(MarksPerObject))
        {
            var w = new ByteWriter(64 + (part.Length * 50));
            ObjectPrefix.Write(w.Take(ObjectPrefix.Length), ObjectKind.PruneMarks, vault);
            w.VarUInt(part.Length);
            foreach (var mark in part)
            {
                w.U8((byte)mark.Pack.Kind);
                w.Hash(mark.Pack.Hash);
                w.I64(mark.MarkedAt.ToUnixTimeMilliseconds());
                w.I64(mark.DeletedAt?.ToUnixTimeMilliseconds() ?? long.MinValue);
            }

            yield return w.ToArray();
        }
    }

    internal static List<PruneMark> Parse(ReadOnlySpan<byte> content, VaultId vault, string what)
    {
        ObjectPrefix.Check(content, ObjectKind.PruneMarks, vault, what);
        var r = new ByteReader(content, what);
        r.Raw(ObjectPrefix.Length);
        var marks = new List<PruneMark>();
        for (var count = r.Count(49); count > 0; count--)
        {
            var kind = (ObjectKind)r.U8();
            if (kind is not (ObjectKind.DataPack or ObjectKind.MetaPack)) throw r.Bad("it marks something that is no pack");
            var pack = new ObjectName(kind, r.Hash());
            var marked = KeyringDocument.ReadTime(ref r);
            var deleted = r.I64();
            if (deleted is not long.MinValue && deleted is < -62135596800000 or > 253402300799999) throw r.Bad("a time in it is out of range");
            marks.Add(new PruneMark(pack, marked, deleted == long.MinValue ? null : DateTimeOffset.FromUnixTimeMilliseconds(deleted)));
        }

        r.End();
        return marks;
    }
}
