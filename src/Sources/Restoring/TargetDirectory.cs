using Backup.Sources.Posix;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Restoring;

/// <summary>
/// A directory below the restore's target. Opened when needed, always from its parent and never through a link, and closed between
/// batches; made when the first thing inside it is.
/// </summary>
internal sealed class TargetDirectory
{
    private Descriptor? _open;

    internal TargetDirectory(Descriptor? top, byte[] path)
    {
        _open = top;
        Name = [];
        SnapshotPath = path;
        Exists = top is not null;
    }

    internal TargetDirectory(TargetDirectory parent, TreeEntry entry, bool isIncluded)
    {
        Parent = parent;
        Entry = entry;
        Name = entry.Name.ToArray();
        SnapshotPath = ByteText.Join(parent.SnapshotPath, Name);
        IsIncluded = isIncluded;
    }

    internal TargetDirectory? Parent { get; }

    internal TreeEntry? Entry { get; }

    internal byte[] Name { get; }

    internal byte[] SnapshotPath { get; }

    /// <summary>Wanted itself, and not only because something inside it is.</summary>
    internal bool IsIncluded { get; }

    /// <summary>This restore made it, so nothing of anyone else's can be inside.</summary>
    internal bool IsNew { get; private set; }

    /// <summary>It is there: made, or found.</summary>
    internal bool Exists { get; private set; }

    internal bool IsOpen => _open is not null;

    /// <summary>How many batches hold it open. Used by the gathering thread only.</summary>
    internal int Users { get; set; }

    /// <summary>The file system it is on, where that may be another than its parent's: for directories that were there before.</summary>
    internal ulong? Device { get; private set; }

    /// <summary>Opens it, and what is needed on the way.</summary>
    internal Errno Open(out Descriptor? directory)
    {
        if ((directory = _open) is not null)
            return Errno.None;
        var missing = new Stack<TargetDirectory>();
        var from = this;
        for (; from._open is null; from = from.Parent!)
            missing.Push(from);
        var current = from._open;
        while (missing.TryPop(out var next))
        {
            var error = current.OpenDirectory(next.Name, out directory);
            // Only this one stays open: a path may have more directories than a process may open.
            if (current != from._open)
                current.Dispose();
            if (error.IsError)
                return error;
            current = directory!;
        }

        directory = _open = current;
        return Errno.None;
    }

    /// <summary>Makes it unless it is there. With overwriting, what is there and no directory goes.</summary>
    internal Errno Make(RestoreSettings settings)
    {
        // The top of a dry run may be missing; everything else below it is then, too.
        if (Exists || Parent is null)
            return Errno.None;
        if (Parent.Make(settings) is { IsError: true } above)
            return above;
        if (settings.DryRun && !Parent.Exists)
            return Errno.None;
        var error = Parent.Open(out var parent);
        if (error.IsError)
            return error;
        if (settings.DryRun)
        {
            Exists = !parent!.Status(Name, out var found).IsError && found.Type == FileType.Directory;
            return Errno.None;
        }

        error = parent!.MakeDirectory(Name, 0x1C0);
        if (error == Errno.Exists && !parent!.Status(Name, out var status).IsError)
        {
            if (status.Type == FileType.Directory)
            {
                (Exists, Device) = (true, status.Device);
                return Errno.None;
            }

            if (!settings.Overwrite)
                return error;
            error = parent!.RemoveFile(Name);
            if (!error.IsError)
                error = parent.MakeDirectory(Name, 0x1C0);
        }

        Exists = IsNew = !error.IsError;
        return error;
    }

    internal void Close()
    {
        if (Parent is null)
            return;
        _open?.Dispose();
        _open = null;
    }
}
