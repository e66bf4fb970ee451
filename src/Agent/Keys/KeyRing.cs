using Backup.AgentApi;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Keys;

/// <summary>
/// The keys of an enrolled agent. Changes are durable before they count. The overlap of an old key begins with the first order that uses
/// its successor: an announcement whose answer was lost, or a control plane that never took the new key into use, locks nobody out.
/// </summary>
internal sealed class KeyRing : IKeyRing, IAgentKeys
{
    /// <summary>Keys of one kind at once: two for a rotation, and room for one begun before the last has ended.</summary>
    public const int KeysMax = 4;

    private readonly Lock _gate = new();
    private readonly string _path;
    private readonly string _name;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private List<Held<PrivateIdentity>> _own;
    private List<Held<PublicIdentity>> _trusted;
    private HashSet<string> _revoked;

    private KeyRing(string path, KeyRingFile file, TimeProvider time, ILogger log)
    {
        (_path, _time, _log) = (path, time, log);
        _own = [.. file.Own.Select(k => new Held<PrivateIdentity>(PrivateIdentity.Parse(k.Identity), k))];
        _trusted = [.. file.Trusted.Select(k => new Held<PublicIdentity>(PublicIdentity.Parse(k.Identity), k))];
        _revoked = [.. file.Revoked];
        _name = _own[^1].Identity.Name;
    }

    public IReadOnlyList<PrivateIdentity> Own
    {
        get
        {
            lock (_gate)
            {
                return Current(_own);
            }
        }
    }

    public IReadOnlyList<PublicIdentity> Trusted
    {
        get
        {
            lock (_gate)
            {
                return Current(_trusted);
            }
        }
    }

    /// <summary>Reads the ring.</summary>
    /// <exception cref="AgentException">There is none, or it cannot be used.</exception>
    /// <exception cref="AgentApiException">A key in it is damaged.</exception>
    public static KeyRing Open(string path, TimeProvider time, ILogger log) => new(
        path,
        KeyRingFile.Find(path) ?? throw new AgentException(
            AgentFault.Keys, "The agent has no keys: its configuration names no identity files, and it was never enrolled.",
            "Ask for a code at the control plane, then run 'Backup.Agent enroll --config FILE --control-plane URL'."),
        time,
        log);

    public void NoteUse(KeyId own, KeyId trusted)
    {
        lock (_gate)
        {
            var now = _time.GetUtcNow();
            var nextOwn = AfterUse(_own, k => k.Public.KeyId == own, now);
            var nextTrusted = AfterUse(_trusted, k => k.KeyId == trusted, now);
            if (nextOwn is null && nextTrusted is null)
            {
                return;
            }

            try
            {
                Change(nextOwn ?? _own, nextTrusted ?? _trusted, _revoked);
            }
            catch (IOException e)
            {
                KeyLog.CannotWrite(_log, e); // The order is good all the same; the next use tries again.
            }
        }
    }

    public (AgentKey? Key, Failure? Refusal) Rotate(RotateAgentKey order)
    {
        lock (_gate)
        {
            var at = _own.FindIndex(k => k.Identity.Public.KeyId.ToString() == order.Replaces && IsCurrent(k, _time.GetUtcNow()));
            if (at < 0)
            {
                return (null, Refuse("This agent has no such key to replace.", "Ask for its inventory: it lists its keys."));
            }

            // A successor is there: the order came before, and its answer was lost.
            if (at + 1 == _own.Count)
            {
                if (_own.Count >= KeysMax)
                {
                    return (null, Refuse($"The agent has {KeysMax} keys already.", "Wait until the overlap of an earlier rotation is over."));
                }

                var made = PrivateIdentity.Create(_name);
                Change([.. Retiring(_own, order.OverlapSeconds), new(made, new StoredKey(made.Export()))], _trusted, _revoked);
                KeyLog.OwnKeyMade(_log, made.Public.KeyId.ToString());
            }

            return (new AgentKey { Identity = _own[^1].Identity.Public.Export() }, null);
        }
    }

    public (TrustedKeys? Keys, Failure? Refusal) Trust(TrustControlPlaneKey order, PublicIdentity sender)
    {
        PublicIdentity identity;
        try
        {
            identity = PublicIdentity.Parse(order.Identity);
        }
        catch (AgentApiException e)
        {
            return (null, Refuse("The new key cannot be read.", e.Hint));
        }

        lock (_gate)
        {
            if (IsEnding(sender))
            {
                return (null, EndingKey);
            }

            if (identity.Name != sender.Name || _revoked.Contains(identity.KeyId.ToString()))
            {
                return (null, Refuse("The new key has another name than the sender, or was revoked.", "Make a new identity under the control plane's name."));
            }

            if (_trusted.TrueForAll(k => k.Identity.KeyId != identity.KeyId))
            {
                if (_trusted.Count >= KeysMax)
                {
                    return (null, Refuse($"The agent trusts {KeysMax} keys already.", "Revoke the ones that are not used."));
                }

                Change(_own, [.. Retiring(_trusted, order.OverlapSeconds), new(identity, new StoredKey(identity.Export()))], _revoked);
                KeyLog.KeyTrusted(_log, identity.KeyId.ToString(), sender.KeyId.ToString());
            }

            return (TrustedNow(), null);
        }
    }

    public (TrustedKeys? Keys, Failure? Refusal) Revoke(RevokeControlPlaneKey order, PublicIdentity sender)
    {
        lock (_gate)
        {
            return IsEnding(sender) ? (null, EndingKey)
                : order.KeyId == sender.KeyId.ToString() ? (null, Refuse("A key cannot revoke itself.", "Announce another key first, and sign the revocation with that."))
                : Distrust(order.KeyId);
        }
    }

    /// <summary>Never trusts a key of the control plane again.</summary>
    /// <exception cref="IOException">The change cannot be written: nothing changed.</exception>
    public (TrustedKeys? Keys, Failure? Refusal) Distrust(string keyId)
    {
        lock (_gate)
        {
            var now = _time.GetUtcNow();
            var rest = _trusted.Where(k => k.Identity.KeyId.ToString() != keyId && IsCurrent(k, now)).ToList();
            if (rest.Count == 0)
            {
                return (null, Refuse("This is the only key the agent trusts.", "Announce another key first, or enrol the agent again."));
            }

            // The newest of the rest has no successor left, so its acceptance does not end.
            rest[^1] = rest[^1] with { Stored = rest[^1].Stored with { OverlapSeconds = null, AcceptUntil = null } };
            Change(_own, rest, [.. _revoked, keyId]);
            KeyLog.KeyRevoked(_log, keyId);
            return (TrustedNow(), null);
        }
    }

    private static Failure EndingKey { get; } = Refuse(
        "The order is signed with a key whose successor is in use: it can still order jobs, but change no keys.", "Sign it with the successor.");

    private static Failure Refuse(string message, string hint) => new() { Code = FailureCode.KeyChangeRefused, Message = message, Hint = hint };

    private static bool IsCurrent<T>(Held<T> key, DateTimeOffset now) => key.Stored.AcceptUntil is not { } until || now <= until;

    private static IEnumerable<Held<T>> Retiring<T>(IEnumerable<Held<T>> keys, int overlapSeconds) =>
        keys.Select(k => k with { Stored = k.Stored with { OverlapSeconds = k.Stored.OverlapSeconds ?? overlapSeconds } });

    /// <summary>Null when nothing changes: the usual case. Otherwise older keys begin to end, and what has ended is dropped.</summary>
    private static List<Held<T>>? AfterUse<T>(List<Held<T>> keys, Predicate<T> isUsed, DateTimeOffset now)
    {
        if (keys.Count == 1)
        {
            return null;
        }

        var isNewest = isUsed(keys[^1].Identity);
        var next = keys.Where(k => IsCurrent(k, now))
            .Select((k, i) => isNewest && k.Stored is { AcceptUntil: null, OverlapSeconds: { } overlap } ? k with { Stored = k.Stored with { AcceptUntil = now.AddSeconds(overlap) } } : k)
            .ToList();
        return next.SequenceEqual(keys) ? null : next;
    }

    // Otherwise whoever stole the old key could undo the rotation that was made because of it.
    private bool IsEnding(PublicIdentity sender) => _trusted.Exists(k => k.Identity.KeyId == sender.KeyId && k.Stored.AcceptUntil is not null);

    private List<T> Current<T>(List<Held<T>> keys)
    {
        var now = _time.GetUtcNow();
        return [.. keys.Where(k => IsCurrent(k, now)).Select(k => k.Identity)];
    }

    private TrustedKeys TrustedNow() => new() { KeyIds = [.. Current(_trusted).Select(k => k.KeyId.ToString())] };

    private void Change(List<Held<PrivateIdentity>> own, List<Held<PublicIdentity>> trusted, HashSet<string> revoked)
    {
        new KeyRingFile { Own = [.. own.Select(k => k.Stored)], Trusted = [.. trusted.Select(k => k.Stored)], Revoked = [.. revoked] }.Write(_path);
        (_own, _trusted, _revoked) = (own, trusted, revoked);
    }

    private sealed record Held<T>(T Identity, StoredKey Stored);
}
