namespace Backup.AgentApi;

/// <summary>An agent's keys: its own, and the control plane's that it trusts. What it gives changes while keys are rotated.</summary>
/// <remarks>Safe to use from several threads. A key that was revoked or whose overlap is over is not given any more.</remarks>
public interface IKeyRing
{
    /// <summary>The agent's own identities that orders may be encrypted to now.</summary>
    IReadOnlyList<PrivateIdentity> Own { get; }

    /// <summary>The control plane identities whose signature counts now.</summary>
    IReadOnlyList<PublicIdentity> Trusted { get; }

    /// <summary>Takes note that an authentic order used these keys: with the first use of a new key the overlap of the old one begins.</summary>
    void NoteUse(KeyId own, KeyId trusted);
}

/// <summary>Keys that never change.</summary>
internal sealed class FixedKeys(IReadOnlyList<PrivateIdentity> own, IReadOnlyList<PublicIdentity> trusted) : IKeyRing
{
    public IReadOnlyList<PrivateIdentity> Own => own;

    public IReadOnlyList<PublicIdentity> Trusted => trusted;

    public void NoteUse(KeyId ownKey, KeyId trustedKey)
    {
        // Nothing follows from use: no overlap ends.
    }
}
