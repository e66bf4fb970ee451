namespace Backup.Vault.Storage;

/// <summary>A store that can put wrong objects aside instead of deleting them.</summary>
public interface IQuarantine
{
    /// <summary>
    /// Moves an object that is not what its name says to <c>quarantine/</c> in the same store, so that a good one can take its place and somebody can
    /// look into it. One that is what its name says stays.
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
    public static string PathOf(ObjectName name, ReadOnlySpan<byte> content) => $"{Folder}/{name}/{ContentHash.Of(content)}";

    /// <summary>What <see cref="IQuarantine.QuarantineAsync"/> does, in any store: the wrong content is written aside before its object goes.</summary>
    /// <param name="store">The store.</param>
    /// <param name="name">The object.</param>
    /// <param name="createBeside">Writes a content at a path beside the objects; one that is there stays.</param>
    /// <param name="cancel">Gives up; what was written aside stays.</param>
    public static async Task<bool> MoveAsync(IObjectStore store, ObjectName name, Func<string, byte[], Task> createBeside, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(createBeside);
        byte[] content;
        try
        {
            content = await store.ReadAsync(name, cancel).ConfigureAwait(false);
        }
        catch (VaultException e) when (e.Fault == VaultFault.NotFound)
        {
            return false;
        }

        if (name.Matches(content)) return false;
        await createBeside(PathOf(name, content), content).ConfigureAwait(false);
        return await store.DeleteAsync(name, cancel).ConfigureAwait(false);
    }
}
