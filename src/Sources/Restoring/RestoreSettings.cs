using Backup.Sources.Posix;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Restoring;

/// <summary>How one tree goes to disk.</summary>
internal sealed record RestoreSettings
{
    /// <summary>What exists is compared and only what differs is written. Otherwise what exists fails its item.</summary>
    public bool Overwrite { get; init; }

    /// <summary>A file with the right size and modification time is taken as finished: an earlier run set the time after the last byte.</summary>
    public bool TrustTimes { get; init; }

    /// <summary>Compare and count; write nothing.</summary>
    public bool DryRun { get; init; }

    public int Workers { get; init; } = 2;

    /// <summary>Files for which this is true are left out and counted; null: none is.</summary>
    public Func<Content, bool>? MustWait { get; init; }

    /// <summary>Make everything durable at the end.</summary>
    public bool Sync { get; init; } = true;

    /// <summary>Who shall own an entry; null to leave it to this process's own user.</summary>
    public Func<TreeEntry, (uint User, uint Group)>? Owner { get; init; }
}

/// <summary>Totals of a restore, added to by several threads.</summary>
internal sealed class RestoreCounts
{
    private long _filesRestored;
    private long _filesUnchanged;
    private long _bytesRestored;
    private long _bytesWritten;
    private long _bytesVerified;
    private long _bytesFetched;
    private long _filesFailed;
    private long _filesWaiting;

    internal long FilesRestored => Interlocked.Read(ref _filesRestored);

    internal long FilesUnchanged => Interlocked.Read(ref _filesUnchanged);

    internal long BytesRestored => Interlocked.Read(ref _bytesRestored);

    internal long BytesWritten => Interlocked.Read(ref _bytesWritten);

    internal long BytesVerified => Interlocked.Read(ref _bytesVerified);

    internal long BytesFetched => Interlocked.Read(ref _bytesFetched);

    /// <summary>Files whose content is not in place: another attempt may succeed once the vault, or the target, is repaired.</summary>
    internal long FilesFailed => Interlocked.Read(ref _filesFailed);

    /// <summary>Files that were left out because they cannot be read yet.</summary>
    internal long FilesWaiting => Interlocked.Read(ref _filesWaiting);

    internal void AddWaiting() => Interlocked.Increment(ref _filesWaiting);

    internal void AddFile(long bytes, bool isUnchanged)
    {
        Interlocked.Increment(ref _filesRestored);
        Interlocked.Add(ref _bytesRestored, bytes);
        if (isUnchanged)
            Interlocked.Increment(ref _filesUnchanged);
    }

    internal void AddWritten(long bytes) => Interlocked.Add(ref _bytesWritten, bytes);

    internal void AddFetched(long bytes) => Interlocked.Add(ref _bytesFetched, bytes);

    internal void AddFailedFile() => Interlocked.Increment(ref _filesFailed);

    internal void AddVerified(long bytes) => Interlocked.Add(ref _bytesVerified, bytes);
}

/// <summary>Owners as the snapshot has them: by name where this machine knows it, since numbers differ between machines, else by number.</summary>
internal sealed class OwnersByName
{
    private readonly AccountNames _names = new();

    internal (uint User, uint Group) Of(TreeEntry entry) => (
        entry.UserName.Length > 0 ? _names.UserId(entry.UserName) ?? entry.UserId : entry.UserId,
        entry.GroupName.Length > 0 ? _names.GroupId(entry.GroupName) ?? entry.GroupId : entry.GroupId);
}
