using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Backup.Cli.Output;
using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Snapshots;

namespace Backup.Cli.Snapshots;

/// <summary>An entry as machines read it. Names that are no UTF-8 have replacement characters in <paramref name="Path"/>, and their bytes in <paramref name="PathBase64"/>.</summary>
internal sealed record EntryLine(
    string SnapshotId, string Path, string? PathBase64, string Type, string Mode, uint UserId, uint GroupId, string User, string Group, long Size, DateTimeOffset ModifiedAt,
    string? Target, string? TargetBase64, bool ChangedWhileRead, bool Unreadable)
{
    public static EntryLine Of(SnapshotId snapshot, PathEntry at) => new(
        snapshot.ToString(), Encoding.UTF8.GetString(at.Path), EntryText.Base64Of(at.Path), EntryText.TypeOf(at.Entry.Type), Convert.ToString(at.Entry.Mode, 8),
        at.Entry.UserId, at.Entry.GroupId, at.Entry.UserName, at.Entry.GroupName, at.Entry.Size, EntryText.ModifiedAt(at.Entry),
        at.Entry.LinkTarget.IsEmpty ? null : Encoding.UTF8.GetString(at.Entry.LinkTarget.Span), EntryText.Base64Of(at.Entry.LinkTarget.Span),
        at.Entry.Notes.HasFlag(EntryNotes.ChangedWhileRead), at.Entry.Notes.HasFlag(EntryNotes.Unreadable));
}

/// <summary>Entries as people read them, much like <c>ls -l</c>.</summary>
internal static class EntryText
{
    public static string TypeOf(EntryType type) => type switch
    {
        EntryType.File => "file",
        EntryType.Directory => "directory",
        EntryType.SymbolicLink => "link",
        EntryType.Fifo => "fifo",
        EntryType.Socket => "socket",
        EntryType.CharacterDevice => "character-device",
        _ => "block-device",
    };

    public static DateTimeOffset ModifiedAt(TreeEntry entry) => DateTimeOffset.UnixEpoch.AddTicks(entry.ModifiedNanoseconds / 100);

    public static string Line(PathEntry at)
    {
        var entry = at.Entry;
        var owner = $"{(entry.UserName.Length > 0 ? entry.UserName : entry.UserId.ToString(CultureInfo.InvariantCulture))}"
            + $":{(entry.GroupName.Length > 0 ? entry.GroupName : entry.GroupId.ToString(CultureInfo.InvariantCulture))}";
        var target = entry.LinkTarget.IsEmpty ? "" : $" -> {ByteText.Display(entry.LinkTarget.Span)}";
        var note = entry.Notes.HasFlag(EntryNotes.Unreadable) ? "  (unreadable)" : entry.Notes.HasFlag(EntryNotes.ChangedWhileRead) ? "  (changed while read)" : "";
        return $"{Letter(entry.Type)}{Permissions(entry.Mode)}  {owner,-17}  {Figures.Bytes(entry.Size),10}  {Figures.Instant(ModifiedAt(entry))}  {ByteText.Display(at.Path)}{target}{note}";
    }

    /// <summary>Only for bytes that text cannot hold.</summary>
    public static string? Base64Of(ReadOnlySpan<byte> bytes) => Utf8.IsValid(bytes) ? null : Convert.ToBase64String(bytes);

    /// <summary>Control characters would let a file's name write to the operator's terminal.</summary>
    public static string Printable(string text) =>
        text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? $"\\x{(int)c:x2}" : c.ToString())) : text;

    private static char Letter(EntryType type) => type switch
    {
        EntryType.File => '-',
        EntryType.Directory => 'd',
        EntryType.SymbolicLink => 'l',
        EntryType.Fifo => 'p',
        EntryType.Socket => 's',
        EntryType.CharacterDevice => 'c',
        _ => 'b',
    };

    private static string Permissions(uint mode)
    {
        var text = new char[9];
        for (var bit = 0; bit < 9; bit++)
        {
            text[bit] = (mode & (1u << (8 - bit))) != 0 ? "rwx"[bit % 3] : '-';
        }

        MarkSpecial(text, 2, mode, 0x800, 's');
        MarkSpecial(text, 5, mode, 0x400, 's');
        MarkSpecial(text, 8, mode, 0x200, 't');
        return new string(text);
    }

    private static void MarkSpecial(char[] text, int at, uint mode, uint bit, char letter)
    {
        if ((mode & bit) != 0)
        {
            text[at] = text[at] == 'x' ? letter : char.ToUpperInvariant(letter);
        }
    }
}
