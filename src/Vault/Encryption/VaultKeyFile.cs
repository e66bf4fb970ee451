using System.Security.Cryptography;
using System.Text;

namespace Backup.Vault.Encryption;

/// <summary>A key as a text file: one format for both kinds, versioned and checksummed, readable by its owner only.</summary>
/// <remarks>
/// <code>
/// # Backup vault key. Whoever holds it …
/// kind: restore-key
/// version: 1
/// vault: 32 hexadecimal digits
/// key: base64
/// checksum: first 16 hexadecimal digits of SHA-256 over "kind\nversion\nvault\nkey\n"
/// </code>
/// Lines that begin with '#' and empty lines are skipped; the five fields stand in this order.
/// </remarks>
public static class VaultKeyFile
{
    private const int FileBytesMax = 16 * 1024;
    private const string BackupKind = "backup-key", RestoreKind = "restore-key";
    private static readonly string[] Fields = ["kind", "version", "vault", "key", "checksum"];

    /// <summary>Reads a key file.</summary>
    /// <param name="path">Its path. Others than owner and group must have no access to it.</param>
    /// <exception cref="VaultException">BadKeyFile, NotFound, AccessDenied or NewerFormat. The text never holds key material.</exception>
    public static VaultKey Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file.SafeFileHandle) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
                throw Bad($"Key file {path} is accessible to everyone.", $"Run: chmod 600 {path}");
            if (file.Length > FileBytesMax) throw Bad($"{path} is too long to be a key file.", "Give the path of a vault key file.");
            using var reader = new StreamReader(file, Encoding.UTF8);
            return Parse(reader.ReadToEnd(), path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new VaultException(VaultFault.NotFound, $"Key file {path} does not exist.", "Check the path; without a key file use the recovery kit or a passphrase.", e);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new VaultException(VaultFault.AccessDenied, $"Key file {path} cannot be read: {e.Message}", "Run as the user who owns it.", e);
        }
    }

    /// <summary>Writes a new key file with mode 0600, durably. An existing file is never replaced.</summary>
    /// <exception cref="VaultException">As <see cref="PrivateFile.Reserve"/>.</exception>
    public static void Save(string path, VaultKey key)
    {
        using var file = PrivateFile.Reserve(path);
        file.Write(ToText(key));
    }

    /// <summary>The text of a key file. It is the secret itself.</summary>
    public static string ToText(VaultKey key)
    {
        var (kind, vault, payload, power) = key switch
        {
            BackupKey k => (BackupKind, k.Vault, k.ToPayload(), "can add to this vault; it cannot read content"),
            RestoreKey k => (RestoreKind, k.Vault, k.ToPayload(), "can read everything in this vault. Keep it off the machines it protects"),
            _ => throw new ArgumentException("Only backup keys and restore keys are kept in files.", nameof(key)),
        };
        var body = $"kind: {kind}\nversion: 1\nvault: {vault}\nkey: {Convert.ToBase64String(payload)}\n";
        return $"# Vault key. Whoever holds this file {power}.\n{body}checksum: {ChecksumOf(body)}\n";
    }

    /// <summary>Reads the text of a key file.</summary>
    /// <param name="text">All of it.</param>
    /// <param name="origin">What to call it in messages.</param>
    /// <exception cref="VaultException">BadKeyFile or NewerFormat.</exception>
    public static VaultKey Parse(string text, string origin)
    {
        ArgumentNullException.ThrowIfNull(text);
        var values = ReadFields(text, origin);
        if (values[0] is not (BackupKind or RestoreKind)) throw Bad($"{origin} is not a key file: unknown kind.", "Give the path of a vault key file.");
        if (values[1] != "1")
            throw new VaultException(VaultFault.NewerFormat, $"{origin} has a version this program does not know.", "Use the program version that wrote it, or a newer one.");
        var body = $"kind: {values[0]}\nversion: {values[1]}\nvault: {values[2]}\nkey: {values[3]}\n";
        if (ChecksumOf(body) != values[4]) throw Bad($"{origin} is damaged: its checksum does not fit.", "Use another copy of it, or the recovery kit.");
        try
        {
            var payload = Convert.FromBase64String(values[3]);
            return values[0] == BackupKind ? BackupKey.FromPayload(payload) : RestoreKey.FromPayload(payload);
        }
        catch (FormatException e)
        {
            throw Bad($"{origin} is damaged: its key is not base64.", "Use another copy of it, or the recovery kit.", e);
        }
        catch (VaultException e) when (e.Fault == VaultFault.Damaged)
        {
            throw Bad($"{origin} is damaged: its key has the wrong length.", "Use another copy of it, or the recovery kit.", e);
        }
    }

    private static string[] ReadFields(string text, string origin)
    {
        var lines = text.Split('\n').Select(l => l.TrimEnd('\r')).Where(l => l.Length > 0 && l[0] != '#').ToArray();
        if (lines.Length != Fields.Length) throw Bad($"{origin} is not a vault key file.", "Give the path of a vault key file.");
        return [.. lines.Select((line, i) =>
            line.StartsWith(Fields[i] + ": ", StringComparison.Ordinal) ? line[(Fields[i].Length + 2)..] : throw Bad($"{origin} is not a vault key file: no '{Fields[i]}' where it should be.", "Give the path of a vault key file."))];
    }

    private static string ChecksumOf(string body) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)))[..16];

    private static VaultException Bad(string message, string hint, Exception? cause = null) => new(VaultFault.BadKeyFile, message, hint, cause);
}
