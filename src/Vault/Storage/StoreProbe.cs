using System.Security.Cryptography;

namespace Backup.Vault.Storage;

/// <summary>The outcome of one contract check.</summary>
/// <param name="Name">What the store must do.</param>
/// <param name="Failure">Null when it does; otherwise what it did instead.</param>
public sealed record ProbeResult(string Name, string? Failure)
{
    /// <summary>True when the store kept the contract.</summary>
    public bool Passed => Failure is null;
}

/// <summary>
/// The contract of <see cref="IObjectStore"/> as checks that run against any store, a customer's included. They write a few small objects
/// of kind <see cref="ObjectKind.Probe"/> and remove them again. Durability against power loss is the one promise that cannot be probed.
/// </summary>
public static class StoreProbe
{
    private const int SmallBytes = 1000, LargeBytes = 9 * 1024 * 1024, Racers = 8;

    private static readonly (string Name, Func<IObjectStore, List<ObjectName>, CancellationToken, Task<string?>> Check)[] Checks =
    [
        ("A created object reads back whole", ReadsBackAsync),
        ("A large object reads back whole", LargeReadsBackAsync),
        ("A created object is listed once with its length", IsListedAsync),
        ("An existing name keeps its first content", KeepsFirstAsync),
        ("Of many creates of one name at once exactly one creates", OneCreatesAsync),
        ("A range reads exactly its bytes", RangeAsync),
        ("A range beyond the end fails", RangeBeyondAsync),
        ("An absent object has no length and does not read", AbsentAsync),
        ("Kinds are kept apart", KindsApartAsync),
        ("A deleted object is gone and a second delete says so", DeletesAsync),
    ];

    /// <summary>The names of all checks, in order.</summary>
    public static IReadOnlyList<string> CheckNames { get; } = [.. Checks.Select(c => c.Name)];

    /// <summary>Runs every check, each on objects of its own, and removes what they wrote.</summary>
    /// <param name="store">The store; it need not hold a vault.</param>
    /// <param name="cancel">Gives up; a few probe objects may then stay.</param>
    public static async Task<IReadOnlyList<ProbeResult>> RunAsync(IObjectStore store, CancellationToken cancel)
    {
        var results = new List<ProbeResult>();
        foreach (var name in CheckNames) results.Add(await RunOneAsync(store, name, cancel).ConfigureAwait(false));
        return results;
    }

    /// <summary>Runs one check.</summary>
    /// <param name="store">The store.</param>
    /// <param name="name">One of <see cref="CheckNames"/>.</param>
    /// <param name="cancel">Gives up.</param>
    public static async Task<ProbeResult> RunOneAsync(IObjectStore store, string name, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(store);
        var check = Array.Find(Checks, c => c.Name == name).Check ?? throw new ArgumentException($"There is no check '{name}'.", nameof(name));
        var written = new List<ObjectName>();
        string? failure;
        try
        {
            failure = await check(store, written, cancel).ConfigureAwait(false);
        }
        catch (VaultException e)
        {
            failure = $"{e.Fault}: {e.Message}";
        }

        foreach (var left in written)
        {
            try
            {
                await store.DeleteAsync(left, cancel).ConfigureAwait(false);
            }
            catch (VaultException e)
            {
                failure ??= $"Could not remove {left}: {e.Fault}";
            }
        }

        return new ProbeResult(name, failure);
    }

    private static (ObjectName Name, byte[] Content) Sample(List<ObjectName> written, int length, ObjectKind kind = ObjectKind.Probe)
    {
        var content = RandomNumberGenerator.GetBytes(length);
        var name = ObjectName.For(kind, content);
        written.Add(name);
        return (name, content);
    }

    private static bool Same(byte[] expected, byte[] actual) => expected.AsSpan().SequenceEqual(actual);

    private static async Task<string?> ReadsBackAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var (name, content) = Sample(written, SmallBytes);
        var outcome = await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        if (outcome != CreateOutcome.Created) return $"A new name was answered with {outcome}.";
        return Same(content, await store.ReadAsync(name, cancel).ConfigureAwait(false)) ? null : "Other bytes came back.";
    }

    private static async Task<string?> LargeReadsBackAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var (name, content) = Sample(written, LargeBytes);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        return Same(content, await store.ReadAsync(name, cancel).ConfigureAwait(false)) ? null : "Other bytes came back.";
    }

    private static async Task<string?> IsListedAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var (name, content) = Sample(written, SmallBytes);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        var listed = (await StoreReading.ListAllAsync(store, ObjectKind.Probe, cancel).ConfigureAwait(false)).Where(o => o.Name == name).ToList();
        if (listed.Count != 1) return $"It was listed {listed.Count} times.";
        if (listed[0].Length != content.Length) return $"It was listed with {listed[0].Length} bytes instead of {content.Length}.";
        return await store.FindLengthAsync(name, cancel).ConfigureAwait(false) == content.Length ? null : "Its length is answered wrongly.";
    }

    private static async Task<string?> KeepsFirstAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var (name, content) = Sample(written, SmallBytes);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        var outcome = await store.CreateAsync(name, RandomNumberGenerator.GetBytes(SmallBytes), cancel).ConfigureAwait(false);
        if (outcome != CreateOutcome.AlreadyExists) return "The second create was answered as if it had created.";
        return Same(content, await store.ReadAsync(name, cancel).ConfigureAwait(false)) ? null : "The object was overwritten.";
    }

    private static async Task<string?> OneCreatesAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var (name, content) = Sample(written, SmallBytes);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, Racers).Select(_ => store.CreateAsync(name, content, cancel))).ConfigureAwait(false);
        var created = outcomes.Count(o => o == CreateOutcome.Created);
        if (created != 1) return $"{created} of {Racers} were answered as if they had created.";
        return Same(content, await store.ReadAsync(name, cancel).ConfigureAwait(false)) ? null : "Other bytes came back.";
    }

    private static async Task<string?> RangeAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var (name, content) = Sample(written, SmallBytes);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        foreach (var (offset, length) in ((int, int)[])[(0, 1), (0, SmallBytes), (123, 456), (SmallBytes - 1, 1)])
        {
            var range = new byte[length];
            await store.ReadRangeAsync(name, offset, range, cancel).ConfigureAwait(false);
            if (!content.AsSpan(offset, length).SequenceEqual(range)) return $"Bytes {offset} to {offset + length} came back different.";
        }

        return null;
    }

    private static async Task<string?> RangeBeyondAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var (name, content) = Sample(written, SmallBytes);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        try
        {
            await store.ReadRangeAsync(name, SmallBytes - 10, new byte[20], cancel).ConfigureAwait(false);
            return "It was answered as if the bytes were there.";
        }
        catch (VaultException e)
        {
            return e.Fault == VaultFault.Damaged ? null : $"It failed as {e.Fault} instead of Damaged.";
        }
    }

    private static async Task<string?> AbsentAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var name = ObjectName.For(ObjectKind.Probe, RandomNumberGenerator.GetBytes(SmallBytes));
        if (await store.FindLengthAsync(name, cancel).ConfigureAwait(false) is not null) return "It has a length.";
        foreach (var read in (Func<Task>[])[() => store.ReadAsync(name, cancel), () => store.ReadRangeAsync(name, 0, new byte[1], cancel)])
        {
            try
            {
                await read().ConfigureAwait(false);
                return "It could be read.";
            }
            catch (VaultException e) when (e.Fault == VaultFault.NotFound)
            {
                continue;
            }
        }

        return await store.DeleteAsync(name, cancel).ConfigureAwait(false) ? "It could be deleted." : null;
    }

    private static async Task<string?> KindsApartAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var (name, content) = Sample(written, SmallBytes);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        var other = name with { Kind = ObjectKind.Ledger };
        if (await store.FindLengthAsync(other, cancel).ConfigureAwait(false) is not null) return "It also exists under another kind.";
        return (await StoreReading.ListAllAsync(store, ObjectKind.Ledger, cancel).ConfigureAwait(false)).Any(o => o.Name.Hash == name.Hash) ? "It is listed under another kind." : null;
    }

    private static async Task<string?> DeletesAsync(IObjectStore store, List<ObjectName> written, CancellationToken cancel)
    {
        var (name, content) = Sample(written, SmallBytes);
        await store.CreateAsync(name, content, cancel).ConfigureAwait(false);
        if (!await store.DeleteAsync(name, cancel).ConfigureAwait(false)) return "The delete says there was nothing.";
        if (await store.FindLengthAsync(name, cancel).ConfigureAwait(false) is not null) return "It still has a length.";
        if ((await StoreReading.ListAllAsync(store, ObjectKind.Probe, cancel).ConfigureAwait(false)).Any(o => o.Name == name)) return "It is still listed.";
        if (await store.DeleteAsync(name, cancel).ConfigureAwait(false)) return "A second delete says there was something.";
        return await store.CreateAsync(name, content, cancel).ConfigureAwait(false) == CreateOutcome.Created ? null : "It cannot be created again.";
    }
}
