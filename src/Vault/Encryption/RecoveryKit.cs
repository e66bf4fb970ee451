using System.Security.Cryptography;
using System.Text;

namespace Backup.Vault.Encryption;

/// <summary>A restore key as text for paper: short lines of letters and digits, a check group at the end of each line.</summary>
/// <remarks>
/// Crockford base32 (no I, L, O, U; case and these look-alikes are forgiven when read). Each line: its number, five groups of
/// five characters, and a check group of four over number and characters, so a typing error is found in its line.
/// </remarks>
public static class RecoveryKit
{
    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    private const int LineCharacters = 25, GroupCharacters = 5, CheckCharacters = 4;

    /// <summary>The whole page to print: what it is, what to do with it, and the key lines.</summary>
    /// <param name="key">The key of a slot made for the kit.</param>
    /// <param name="vaultPlace">Where the vault is, to print on the page; no credentials.</param>
    public static string Print(RestoreKey key, string vaultPlace)
    {
        ArgumentNullException.ThrowIfNull(key);
        var page = new StringBuilder();
        page.Append("RECOVERY KIT\n\n");
        page.Append("Whoever holds this page can read everything in the vault. Keep it where a fire or a thief\nat the site cannot reach it, and never on the machines it protects.\n\n");
        page.Append($"Vault:  {key.Vault}\nPlace:  {vaultPlace}\nSlot:   {key.Slot}\n\n");
        foreach (var line in KeyLines(key)) page.Append($"    {line}\n");
        page.Append("\nTo restore on a bare machine:\n");
        page.Append("  1. Install backupctl and reach the vault's folder or storage account (any replica will do).\n");
        page.Append("  2. Type the lines above, numbers and all, into a file kit.txt (spaces, dashes and case do not matter).\n");
        page.Append("  3. backupctl vault key import-kit kit.txt --key-file recovered.key\n");
        page.Append("  4. backupctl snapshots --vault PLACE --key-file recovered.key\n");
        page.Append("  5. backupctl restore --vault PLACE --key-file recovered.key --snapshot latest --asset NAME --target DIR\n");
        return page.ToString();
    }

    /// <summary>Only the lines that carry the key.</summary>
    public static IReadOnlyList<string> KeyLines(RestoreKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var characters = Encode(key.ToPayload());
        var lines = new List<string>();
        for (var at = 0; at < characters.Length; at += LineCharacters)
        {
            var part = characters.AsSpan(at, Math.Min(LineCharacters, characters.Length - at));
            var number = lines.Count + 1;
            var groups = new StringBuilder($"{number}:");
            for (var g = 0; g < part.Length; g += GroupCharacters) groups.Append(' ').Append(part.Slice(g, Math.Min(GroupCharacters, part.Length - g)));
            lines.Add($"{groups} ={CheckOf(number, part)}");
        }

        return lines;
    }

    /// <summary>Reads a typed kit: the key lines, alone or within the whole page.</summary>
    /// <exception cref="VaultException">BadKeyFile, naming the line that has an error.</exception>
    public static RestoreKey Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var characters = new StringBuilder();
        var expected = 1;
        foreach (var raw in text.Split('\n'))
        {
            var line = Normalise(raw);
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var check = line.IndexOf('=', StringComparison.Ordinal);
            if (colon <= 0 || check < colon || !int.TryParse(line.AsSpan(0, colon), out var number)) continue;
            var part = line.AsSpan((colon + 1)..check);
            if (number != expected) throw Bad($"Line {expected} of the recovery kit is missing: line {number} came instead.");
            if (part.Length is 0 or > LineCharacters || !line.AsSpan(check + 1).SequenceEqual(CheckOf(number, part))) throw Bad($"Line {number} of the recovery kit has a typing error.");
            characters.Append(part);
            expected++;
        }

        var payload = Decode(characters.ToString());
        if (payload is null || payload.Length != RestoreKey.PayloadBytes) throw Bad("The recovery kit is incomplete: its last lines are missing.");
        return RestoreKey.FromPayload(payload);
    }

    private static string Normalise(string line)
    {
        var kept = new StringBuilder(line.Length);
        foreach (var c in line)
        {
            if (char.IsWhiteSpace(c) || c == '-') continue;
            kept.Append(char.ToUpperInvariant(c) switch { 'O' => '0', 'I' or 'L' => '1', var other => other });
        }

        return kept.ToString();
    }

    private static string CheckOf(int number, ReadOnlySpan<char> part) =>
        Encode(SHA256.HashData(Encoding.ASCII.GetBytes($"{number}:{part}")))[..CheckCharacters];

    private static string Encode(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder();
        uint bits = 0;
        var count = 0;
        foreach (var b in bytes)
        {
            bits = (bits << 8) | b;
            for (count += 8; count >= 5; count -= 5) text.Append(Alphabet[(int)(bits >> (count - 5)) & 31]);
        }

        if (count > 0) text.Append(Alphabet[(int)(bits << (5 - count)) & 31]);
        return text.ToString();
    }

    private static byte[]? Decode(string text)
    {
        var bytes = new List<byte>();
        uint bits = 0;
        var count = 0;
        foreach (var c in text)
        {
            var value = Alphabet.IndexOf(c, StringComparison.Ordinal);
            if (value < 0) return null;
            bits = (bits << 5) | (uint)value;
            count += 5;
            if (count < 8) continue;
            count -= 8;
            bytes.Add((byte)(bits >> count));
        }

        return [.. bytes];
    }

    private static VaultException Bad(string message) => new(VaultFault.BadKeyFile, message, "Compare the typed lines with the printed page, character by character.");
}
