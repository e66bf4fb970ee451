using System.Text;
using Backup.Sources.Posix;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Restoring;

/// <summary>
/// Sets what an entry has besides content, in the only order that works: attributes that changing the owner would drop come after it,
/// the mode after the owner (which clears set-user-id bits), access control lists after the mode (which they refine), times last.
/// </summary>
internal sealed class EntryMetadata(RestoreSettings settings, ProblemList problems)
{
    private const uint SetUserId = 0x800;
    private const uint SetGroupId = 0x400;

    internal void ApplyToFile(Descriptor directory, Descriptor file, TreeEntry entry, byte[] path, bool isNew)
    {
        var name = entry.Name.Span;
        if (settings.Owner is { } owner)
        {
            var (user, group) = owner(entry);
            Note(file.SetOwner(user, group), path, "owner");
        }

        Note(file.SetMode(PermissionsFor(file, entry, path)), path, "mode");
        ApplyAttributes(directory, name, entry, path, isNew);
        Note(file.SetModified(entry.ModifiedNanoseconds), path, "modification time");
    }

    /// <summary>For links, FIFOs and devices: nothing is opened.</summary>
    internal void ApplyByName(Descriptor directory, TreeEntry entry, byte[] path, bool isNew)
    {
        var name = entry.Name.Span;
        if (settings.Owner is { } owner)
        {
            var (user, group) = owner(entry);
            Note(directory.SetOwner(name, user, group), path, "owner");
        }

        if (entry.Type != EntryType.SymbolicLink)
            Note(directory.SetMode(name, entry.Mode), path, "mode");
        ApplyAttributes(directory, name, entry, path, isNew);
        Note(directory.SetModified(name, entry.ModifiedNanoseconds), path, "modification time");
    }

    /// <summary>
    /// Set-user-id and set-group-id lend the owner's and the group's rights: where the owner could not be restored and another account
    /// has the file now, they would lend that account's, so they are left out and the loss is noted.
    /// </summary>
    private uint PermissionsFor(Descriptor file, TreeEntry entry, byte[] path)
    {
        if (settings.Owner is not null || (entry.Mode & (SetUserId | SetGroupId)) == 0)
            return entry.Mode;
        var error = file.Status(out var now);
        var lost = (error.IsError || now.User != entry.UserId ? SetUserId : 0) | (error.IsError || now.Group != entry.GroupId ? SetGroupId : 0);
        if ((entry.Mode & lost) != 0)
            problems.Add(path, ItemProblemKind.Note, "Its set-user-id or set-group-id bit was left out, because it has another owner here.");
        return entry.Mode & ~lost;
    }

    private void ApplyAttributes(Descriptor directory, ReadOnlySpan<byte> name, TreeEntry entry, byte[] path, bool isNew)
    {
        // A new file may have an inherited access control list; only a directory with a default list causes that, which it then has itself.
        if (isNew && entry.Attributes.Count == 0)
            return;
        if (!isNew && !ExtendedAttributes.Read(directory, name, out var existing).IsError)
        {
            foreach (var attribute in existing)
            {
                var attributeName = Encoding.UTF8.GetString(attribute.Name);
                if (!entry.Attributes.Any(wanted => wanted.Name == attributeName))
                    Note(ExtendedAttributes.Remove(directory, name, attribute.Name), path, $"removal of attribute {attributeName}");
            }
        }

        foreach (var attribute in entry.Attributes)
        {
            var error = ExtendedAttributes.Set(directory, name, new ExtendedAttribute(Encoding.UTF8.GetBytes(attribute.Name), attribute.Value.ToArray()));
            Note(error, path, $"attribute {attribute.Name}");
        }
    }

    private void Note(Errno error, byte[] path, string what)
    {
        if (error.IsError)
            problems.Add(path, ItemProblemKind.Note, $"Its {what} could not be set: {error}.");
    }
}
