namespace Backup.Vault.Storage;

/// <summary>What became of a create.</summary>
public enum CreateOutcome
{
    /// <summary>The object did not exist and now does.</summary>
    Created,

    /// <summary>An object of this name existed and was left as it was.</summary>
    AlreadyExists,
}

/// <summary>One object as a listing shows it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Length">Stored length in bytes.</param>
public readonly record struct StoreObject(ObjectName Name, long Length);

/// <summary>
/// A place for immutable objects named by the hash of their content. Everything the vault promises rests on these rules;
/// <see cref="StoreProbe"/> checks them against a real store.
/// </summary>
/// <remarks>
/// All members may be called from any number of threads and processes at once. Failures are <see cref="VaultException"/>
/// (<see cref="VaultFault.StoreUnavailable"/> when a retry may help; stores retry passing faults themselves, boundedly, before throwing);
/// a cancelled call throws <see cref="OperationCanceledException"/>. After a failed or cancelled create or delete the outcome is
/// unknown: the object may or may not be there, but never partly.
/// </remarks>
public interface IObjectStore
{
    /// <summary>The greatest object length in bytes that every store must take.</summary>
    const int ObjectBytesMax = 64 * 1024 * 1024;

    /// <summary>A short description for messages: a path or URL without credentials.</summary>
    string Description { get; }

    /// <summary>How many large objects a writer should have under way at a time, 1 to 8. More than one only where writes wait for a network: each costs its size in memory.</summary>
    int WritesAtOnce => 1;

    /// <summary>True where reading an object in pieces costs no more than reading it whole, as on a disk; not where each piece is a request.</summary>
    bool ReadsPiecesFreely => false;

    /// <summary>Writes a new object. Never overwrites: an existing name keeps its first content and answers so.</summary>
    /// <remarks>
    /// On return the object is durable (survives power loss) and visible to every later read and listing of any process.
    /// No reader or listing ever sees a part of it. Repeating a create whose outcome is unknown is safe. The store may not
    /// keep a reference to <paramref name="content"/> after the task ends.
    /// </remarks>
    /// <param name="name">The name; the caller vouches that it matches the content.</param>
    /// <param name="content">All bytes, 1 to <see cref="ObjectBytesMax"/>.</param>
    /// <param name="cancel">Gives up; the outcome is then unknown.</param>
    /// <exception cref="VaultException">StoreFull, AccessDenied or StoreUnavailable.</exception>
    Task<CreateOutcome> CreateAsync(ObjectName name, ReadOnlyMemory<byte> content, CancellationToken cancel);

    /// <summary>Writes a new object from a stream that may find out, before it gives its last bytes, that they are wrong: then nothing is written.</summary>
    /// <param name="name">The name.</param>
    /// <param name="content">All bytes, 1 to <see cref="ObjectBytesMax"/>, from the start; it knows its length and can be read again from there.</param>
    /// <param name="cancel">Gives up; the outcome is then unknown.</param>
    /// <returns>As of a create of bytes, whose promises hold too. This one does not look first: who thinks that the name may be taken does.</returns>
    /// <exception cref="VaultException">StoreFull, AccessDenied or StoreUnavailable; what reading the stream threw.</exception>
    async Task<CreateOutcome> CreateAsync(ObjectName name, Stream content, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(content);
        var bytes = new byte[content.Length];
        await content.ReadExactlyAsync(bytes, cancel).ConfigureAwait(false);
        return await CreateAsync(name, bytes, cancel).ConfigureAwait(false);
    }

    /// <summary>Reads a whole object. The bytes are as stored; checking them is the caller's part.</summary>
    /// <exception cref="VaultException">NotFound when there is none; LimitExceeded when it is longer than <see cref="ObjectBytesMax"/>.</exception>
    Task<byte[]> ReadAsync(ObjectName name, CancellationToken cancel);

    /// <summary>Fills <paramref name="destination"/> from the object's bytes starting at <paramref name="offset"/>.</summary>
    /// <exception cref="VaultException">NotFound when there is no such object; Damaged when it ends before the range does.</exception>
    Task ReadRangeAsync(ObjectName name, long offset, Memory<byte> destination, CancellationToken cancel);

    /// <summary>The stored length in bytes, or null when there is no such object.</summary>
    Task<long?> FindLengthAsync(ObjectName name, CancellationToken cancel);

    /// <summary>Every object of a kind that existed when the listing began and still does, in no particular order.</summary>
    /// <remarks>Objects created or deleted during the listing may or may not appear. Things that are not store objects are left out.</remarks>
    IAsyncEnumerable<StoreObject> ListAsync(ObjectKind kind, CancellationToken cancel);

    /// <summary>Removes an object, durably. True when this call removed it, false when there was none.</summary>
    /// <exception cref="VaultException">AccessDenied when the credential may not delete (agents' must not).</exception>
    Task<bool> DeleteAsync(ObjectName name, CancellationToken cancel);
}
