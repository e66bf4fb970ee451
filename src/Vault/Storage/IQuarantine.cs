using System.Security.Cryptography;

namespace Backup.Vault.Storage;

/// <summary>A store that can put wrong objects aside instead of deleting them.</summary>
public interface IQuarantine
{
    /// <summary>
    /// Moves an object that is not what its name says to <c>quarantine/</c> in the same store, so that a good one can take its place and somebody can
    /// look into it. One that is what its name says stays. It may be longer than any object may be.
    /// </summary>
    /// <returns>True when it was moved; false when there was none, or it was right after all.</returns>
    /// <exception cref="VaultException">The store failed, or refused: this needs a right to delete.</exception>
    Task<bool> QuarantineAsync(ObjectName name, CancellationToken cancel);
}

/// <summary>Where stores put wrong objects.</summary>
public static class Quarantine
{
    /// <summary>The folder. Nothing in it is listed as a store object.</summary>
    public const string Folder = "quarantine";

    /// <summary>The place of a wrong content: under its own hash, so that several wrong contents of one name do not overwrite each other.</summary>
    public static string PathOf(ObjectName name, ContentHash content) => $"{Folder}/{name}/{content}";

    /// <summary>The hash of a content that is not what its name says; null of one that is. Reads to the end, of any length, in a small buffer.</summary>
    /// <exception cref="EndOfStreamException">It ended before its length: cut off on the way, it would look wrong.</exception>
    public static async Task<ContentHash?> FindWrongAsync(ObjectName name, Stream content, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(content);
        var hash = new ContentHash(await SHA256.HashDataAsync(content, cancel).ConfigureAwait(false));
        if (content.Position != content.Length) throw new EndOfStreamException($"{name} ended at byte {content.Position} of {content.Length}.");
        return hash == name.Hash ? null : hash;
    }
}
