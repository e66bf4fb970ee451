using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Backup.Relay.Emulator;

/// <summary>What a rule allows.</summary>
[Flags]
public enum RelayRights
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Register as a listener.</summary>
    Listen = 1,

    /// <summary>Send requests and open streams.</summary>
    Send = 2,

    /// <summary>Everything.</summary>
    Manage = 4 | Listen | Send,
}

/// <summary>A shared access rule. Prints no key.</summary>
/// <param name="Name">The rule's name.</param>
/// <param name="Keys">One or two keys, as text: primary and secondary.</param>
/// <param name="Rights">What it allows.</param>
public sealed record EmulatorRule(string Name, IReadOnlyList<string> Keys, RelayRights Rights)
{
    /// <inheritdoc/>
    public override string ToString() => $"rule {Name} ({Rights})";
}

/// <summary>A hybrid connection.</summary>
/// <param name="Path">Its path.</param>
public sealed record EmulatorEntity(EntityPath Path)
{
    /// <summary>False lets senders in without a token; listeners always need one.</summary>
    public bool RequiresClientAuthorization { get; init; } = true;

    /// <summary>Rules for this entity only.</summary>
    public IReadOnlyList<EmulatorRule> Rules { get; init; } = [];

    /// <summary>Text that a management read returns.</summary>
    public string UserMetadata { get; init; } = "";
}

/// <summary>The service's limits; the defaults are the real ones, tests choose shorter times.</summary>
public sealed record EmulatorLimits
{
    /// <summary>Listeners per entity. Default 25.</summary>
    public int ListenersMax { get; init; } = 25;

    /// <summary>How long a rendezvous address is good for. Default 30 s.</summary>
    public TimeSpan RendezvousLife { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>From dispatch, or from the end of the request's body, to the response. Default 60 s.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The longest gap within a body. Default 60 s.</summary>
    public TimeSpan BodyIdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a control channel outlives its token. Default 5 min, because the official listeners renew late.</summary>
    public TimeSpan TokenGrace { get; init; } = TimeSpan.FromMinutes(5);
}

/// <summary>One emulated namespace.</summary>
public sealed record RelayEmulatorOptions
{
    /// <summary>The address to bind. Default 127.0.0.1.</summary>
    public IPAddress Listen { get; init; } = IPAddress.Loopback;

    /// <summary>The port; 0 for a free one.</summary>
    public int Port { get; init; }

    /// <summary>The namespace's host name: what clients dial, what tokens are for, and what rendezvous addresses name. Default localhost.</summary>
    public string Host { get; init; } = "localhost";

    /// <summary>The certificate with its private key; must name <see cref="Host"/>.</summary>
    public required X509Certificate2 Certificate { get; init; }

    /// <summary>The certificates between it and a root that clients know; none for one that signs itself.</summary>
    public IReadOnlyCollection<X509Certificate2> CertificateChain { get; init; } = [];

    /// <summary>Rules for every entity.</summary>
    public IReadOnlyList<EmulatorRule> Rules { get; init; } = [];

    /// <summary>The hybrid connections.</summary>
    public required IReadOnlyList<EmulatorEntity> Entities { get; init; }

    /// <summary>What a sender hears when nobody listens: 404 (default), 502 or 503; the public documents differ.</summary>
    public int NoListenerStatus { get; init; } = 404;

    /// <summary>True: accept any unexpired Entra ID token for the relay's audience without checking its signature. For development only.</summary>
    public bool AcceptUnverifiedEntraTokens { get; init; }

    /// <summary>The service's limits.</summary>
    public EmulatorLimits Limits { get; init; } = new();

    /// <summary>The clock for tokens and deadlines.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Chooses among listeners; the randomness is not for secrets.</summary>
    public Random Choice { get; init; } = new();
}
