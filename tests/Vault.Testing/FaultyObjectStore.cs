using Backup.Vault.Storage;

namespace Backup.Vault.Testing;

/// <summary>How a <see cref="FaultyObjectStore"/> fails once its calls are used up.</summary>
public enum StoreFailure
{
    /// <summary>The process dies before the call reaches the store; nothing works afterwards.</summary>
    StopBefore,

    /// <summary>The call takes effect and its acknowledgement is lost; nothing works afterwards.</summary>
    StopAfter,

    /// <summary>The one call takes effect and is answered with a failure; later calls work.</summary>
    LoseAcknowledgement,

    /// <summary>Every create from then on fails for want of space; reading and deleting work.</summary>
    DiskFull,

    /// <summary>Every call from then on is refused.</summary>
    AccessDenied,
}

/// <summary>A store in front of another that fails at a chosen call. Calls that only read count too.</summary>
public sealed class FaultyObjectStore(IObjectStore inner, StoreFailure failure, int callsBefore) : ForwardingStore(inner)
{
    private int _calls;

    /// <summary>Calls so far.</summary>
    public int Calls => Volatile.Read(ref _calls);

    /// <summary>Whether the failure has happened.</summary>
    public bool HasFailed => Calls > callsBefore;

    /// <inheritdoc/>
    public override string Description => $"faulty {base.Description}";

    /// <inheritdoc/>
    protected override async Task<T> ThroughAsync<T>(StoreCall call, ObjectName? name, Func<Task<T>> forward)
    {
        ArgumentNullException.ThrowIfNull(forward);
        var number = Interlocked.Increment(ref _calls);
        var isTheOne = number == callsBefore + 1;
        switch (failure)
        {
            case StoreFailure.StopBefore when number > callsBefore:
            case StoreFailure.StopAfter when number > callsBefore + 1:
                throw new VaultException(VaultFault.StoreUnavailable, "The process died.", "This is a test.");
            case StoreFailure.StopAfter or StoreFailure.LoseAcknowledgement when isTheOne:
                await forward();
                throw new VaultException(VaultFault.StoreUnavailable, "The acknowledgement was lost.", "This is a test.");
            case StoreFailure.DiskFull when number > callsBefore && call == StoreCall.Create:
                throw new VaultException(VaultFault.StoreFull, "No space is left.", "This is a test.");
            case StoreFailure.AccessDenied when number > callsBefore:
                throw new VaultException(VaultFault.AccessDenied, "The store refused.", "This is a test.");
            default:
                return await forward();
        }
    }
}
