using Backup.AgentApi;

namespace Backup.Agent.Keys;

/// <summary>Changes keys by order. Idempotent; each answer is durable before it is given.</summary>
internal interface IAgentKeys
{
    /// <exception cref="IOException">The change cannot be written: nothing changed.</exception>
    (AgentKey? Key, Failure? Refusal) Rotate(RotateAgentKey order);

    /// <exception cref="IOException">The change cannot be written: nothing changed.</exception>
    (TrustedKeys? Keys, Failure? Refusal) Trust(TrustControlPlaneKey order, PublicIdentity sender);

    /// <exception cref="IOException">The change cannot be written: nothing changed.</exception>
    (TrustedKeys? Keys, Failure? Refusal) Revoke(RevokeControlPlaneKey order, PublicIdentity sender);
}

/// <summary>Keys in files that the configuration names: the owner changes them by hand, orders do not.</summary>
internal sealed class KeyFiles(PrivateIdentity own, PublicIdentity trusted) : IKeyRing, IAgentKeys
{
    private static readonly Failure Fixed = new()
    {
        Code = FailureCode.KeyChangeRefused,
        Message = "This agent's keys are files named by its configuration.",
        Hint = "Replace the files and restart the agent; or remove identityFile and controlPlaneFile from its configuration and enrol it.",
    };

    public IReadOnlyList<PrivateIdentity> Own { get; } = [own];

    public IReadOnlyList<PublicIdentity> Trusted { get; } = [trusted];

    public void NoteUse(KeyId ownKey, KeyId trustedKey)
    {
        // Nothing follows from use: these keys have no successors.
    }

    public (AgentKey? Key, Failure? Refusal) Rotate(RotateAgentKey order) => (null, Fixed);

    public (TrustedKeys? Keys, Failure? Refusal) Trust(TrustControlPlaneKey order, PublicIdentity sender) => (null, Fixed);

    public (TrustedKeys? Keys, Failure? Refusal) Revoke(RevokeControlPlaneKey order, PublicIdentity sender) => (null, Fixed);
}
