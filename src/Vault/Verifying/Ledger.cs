using Backup.Vault.Format;
using Backup.Vault.Storage;

namespace Backup.Vault.Verifying;

/// <summary>When each pack was last verified, and how deeply. In clear, since keyless verifiers write it; advisory: a forged entry can put off a pack's turn in sampled runs, a full run reads every pack regardless.</summary>
internal sealed class Ledger
{
    private const int ObjectsMax = 16, EntriesPerObject = 500_000;
    private readonly Dictionary<ObjectName, (DateTimeOffset Hashes, DateTimeOffset Data)> _entries = [];
    private readonly List<ObjectName> _sources = [];
    private DateTimeOffset _now = DateTimeOffset.MaxValue;

    /// <summary>Ledger objects that could not be read as such; they are reported and otherwise ignored.</summary>
    internal List<ObjectProblem> Problems { get; } = [];

    /// <summary>When a pack was last verified at least this deeply; the minimum value when never.</summary>
    internal DateTimeOffset LastVerified(ObjectName pack, VerifyDepth depth) =>
        !_entries.TryGetValue(pack, out var e) ? DateTimeOffset.MinValue : depth == VerifyDepth.Data || e.Data > e.Hashes ? e.Data : e.Hashes;

    internal void Note(ObjectName pack, VerifyDepth depth, DateTimeOffset at)
    {
        _entries.TryGetValue(pack, out var e);
        _entries[pack] = depth == VerifyDepth.Data ? (e.Hashes, at > e.Data ? at : e.Data) : (at > e.Hashes ? at : e.Hashes, e.Data);
    }

    /// <summary>Reads all ledger objects. What they say of times after <paramref name="now"/> does not count: nothing was verified then.</summary>
    internal static async Task<Ledger> LoadAsync(IObjectStore store, VaultId vault, DateTimeOffset now, CancellationToken cancel)
    {
        var ledger = new Ledger { _now = now };
        foreach (var found in await StoreReading.ListAllAsync(store, ObjectKind.Ledger, cancel).ConfigureAwait(false))
        {
            try
            {
                ledger.Parse(await StoreReading.ReadVerifiedAsync(store, found.Name, cancel).ConfigureAwait(false), vault, found.Name.ToString());
                ledger._sources.Add(found.Name);
            }
            catch (VaultException e) when (e.Fault == VaultFault.Damaged)
            {
                ledger.Problems.Add(new ObjectProblem(found.Name, ObjectProblemKind.WrongHash, e.Message));
            }
            catch (VaultException e) when (e.Fault == VaultFault.NotFound)
            {
                // Another verifier merged it between listing and reading: its entries are in the merged one, read or not read here.
                continue;
            }
        }

        return ledger;
    }

    /// <summary>Adds an object with what this run verified. Where the credential may delete, merges all objects into one when there are many, and removes damaged ones: they say nothing.</summary>
    internal async Task WriteAsync(IObjectStore store, VaultId vault, IReadOnlyCollection<ObjectName> verified, IReadOnlySet<ObjectName> present, VerifyDepth depth, DateTimeOffset now, CancellationToken cancel)
    {
        foreach (var pack in verified) Note(pack, depth, now);
        var merge = _sources.Count >= ObjectsMax;
        var written = new List<ObjectName>();
        foreach (var content in ToObjects(vault, merge ? [.. _entries.Keys.Where(present.Contains)] : verified))
        {
            var name = ObjectName.For(ObjectKind.Ledger, content);
            await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
            written.Add(name);
        }

        try
        {
            foreach (var damaged in Problems) await store.DeleteAsync(damaged.Name, cancel).ConfigureAwait(false);
            foreach (var source in merge ? _sources.Except(written) : []) await store.DeleteAsync(source, cancel).ConfigureAwait(false);
        }
        catch (VaultException e) when (e.Fault == VaultFault.AccessDenied)
        {
            // Agents may not delete: the objects stay and are read again, which costs a little time only.
        }
    }

    private IEnumerable<byte[]> ToObjects(VaultId vault, IEnumerable<ObjectName> packs)
    {
        foreach (var part in packs.OrderBy(p => p.Hash).Chunk(EntriesPerObject))
        {
            var w = new ByteWriter(64 + (part.Length * 52));
            ObjectPrefix.Write(w.Take(ObjectPrefix.Length), ObjectKind.Ledger, vault);
            w.VarUInt(part.Length);
            foreach (var pack in part)
            {
                w.U8((byte)pack.Kind);
                w.Hash(pack.Hash);
                w.I64(_entries[pack].Hashes.ToUnixTimeMilliseconds());
                w.I64(_entries[pack].Data.ToUnixTimeMilliseconds());
            }

            yield return w.ToArray();
        }
    }

    internal void Parse(ReadOnlySpan<byte> content, VaultId vault, string what)
    {
        ObjectPrefix.Check(content, ObjectKind.Ledger, vault, what);
        var r = new ByteReader(content, what);
        r.Raw(ObjectPrefix.Length);
        for (var count = r.Count(49); count > 0; count--)
        {
            var kind = (ObjectKind)r.U8();
            if (kind is not (ObjectKind.DataPack or ObjectKind.MetaPack)) throw r.Bad("it lists something that is no pack");
            var pack = new ObjectName(kind, r.Hash());
            var (hashes, data) = (KeyringDocument.ReadTime(ref r), KeyringDocument.ReadTime(ref r));
            if (hashes <= _now) Note(pack, VerifyDepth.Hashes, hashes);
            if (data <= _now) Note(pack, VerifyDepth.Data, data);
        }

        r.End();
    }
}
