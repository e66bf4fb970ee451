using System.Security.Cryptography;
using System.Text.Json;

namespace Backup.AgentApi;

/// <summary>The agent's side of an enrolment: one request, one welcome.</summary>
/// <remarks>
/// The request, encrypted to the key that the code names and signed by the agent's new key, carries the code's secret; the welcome, signed
/// by that key and encrypted to the agent's, names every key the agent shall trust. So either end knows the other's keys afterwards, and
/// whoever carries the two messages learns nothing. Repeating the request with the same identity gives the same welcome.
/// </remarks>
public sealed class EnrolmentRequest
{
    private readonly PrivateIdentity _agent;
    private readonly PublicIdentity _controlPlane;
    private readonly byte[] _hash;

    private EnrolmentRequest(PrivateIdentity agent, PublicIdentity controlPlane, byte[] envelope)
    {
        (_agent, _controlPlane, Envelope) = (agent, controlPlane, envelope);
        _hash = SHA256.HashData(envelope);
    }

    /// <summary>The bytes to post.</summary>
    public ReadOnlyMemory<byte> Envelope { get; }

    /// <summary>Makes the request.</summary>
    /// <param name="code">The code.</param>
    /// <param name="controlPlane">The control plane's identity as it was found: it must be the one that the code names.</param>
    /// <param name="agent">The agent's new identity; owned by the caller.</param>
    /// <exception cref="AgentApiException">The control plane is another than the code names.</exception>
    public static EnrolmentRequest Create(EnrolmentCode code, PublicIdentity controlPlane, PrivateIdentity agent)
    {
        ArgumentNullException.ThrowIfNull(code);
        ArgumentNullException.ThrowIfNull(controlPlane);
        ArgumentNullException.ThrowIfNull(agent);
        if (controlPlane.KeyId != code.ControlPlane)
            throw new AgentApiException(AgentApiFault.NotAuthentic, "The control plane that answers is not the one the code was made by.", "Check the address. If it is right, somebody stands between: do not go on.");
        var statement = new EnrolmentStatement
        {
            Version = EnrolmentStatement.CurrentVersion,
            Enrolment = code.Id,
            Secret = Convert.ToHexStringLower(code.Secret),
            Identity = agent.Public.Export(),
            ToKey = controlPlane.KeyId.ToString(),
        };
        var bytes = JsonSerializer.SerializeToUtf8Bytes(statement, WireJson.Default.EnrolmentStatement);
        return new EnrolmentRequest(agent, controlPlane, SealedBox.Seal(EnvelopeKind.Enrolment, agent, controlPlane, bytes));
    }

    /// <summary>Reads the welcome.</summary>
    /// <returns>The control plane's keys to trust, the one of the code first.</returns>
    /// <exception cref="AgentApiException">The bytes are not that control plane's welcome to this request.</exception>
    public IReadOnlyList<PublicIdentity> OpenWelcome(ReadOnlySpan<byte> welcome)
    {
        if (SealedBox.Addressee(EnvelopeKind.Welcome, welcome) != _agent.Public.KeyId)
            throw new AgentApiException(AgentApiFault.NotForUs, "The welcome is encrypted to another key.", "Run the enrolment again.");
        var box = SealedBox.Open(EnvelopeKind.Welcome, _agent, welcome);
        box.RequireSignedBy(_controlPlane);
        try
        {
            var statement = JsonSerializer.Deserialize(box.Statement.Span, WireJson.Default.WelcomeStatement)!;
            if (statement.Version != EnrolmentStatement.CurrentVersion)
                throw new AgentApiException(AgentApiFault.UnsupportedVersion, "The welcome uses another version of the protocol.", "Bring control plane and agent to the same release.");
            if (statement.RequestSha256 != Convert.ToHexStringLower(_hash) || statement.ToKey != _agent.Public.KeyId.ToString())
                throw new AgentApiException(AgentApiFault.AnswerMismatch, "The welcome belongs to another request.", "Run the enrolment again.");
            var trusted = statement.Identities.Select(PublicIdentity.Parse).ToList();
            return trusted.Count > 0 && trusted[0].KeyId == _controlPlane.KeyId ? trusted : throw new JsonException("the code's key is not the first");
        }
        catch (JsonException e)
        {
            throw new AgentApiException(AgentApiFault.Invalid, "The welcome breaks the contract.", "Bring control plane and agent to the same release.", e);
        }
    }
}

/// <summary>An authentic request to be enrolled: whoever made it holds the private part of <see cref="Agent"/>. Whether it was invited is for the caller to judge.</summary>
public sealed class OpenedEnrolment
{
    private readonly byte[] _requestHash;
    private readonly PrivateIdentity _controlPlane;

    private OpenedEnrolment(PrivateIdentity controlPlane, PublicIdentity agent, string id, string secretHash, byte[] requestHash)
    {
        (_controlPlane, Agent, Id, SecretHash, _requestHash) = (controlPlane, agent, id, secretHash, requestHash);
    }

    /// <summary>The agent's identity, with the name it gave itself.</summary>
    public PublicIdentity Agent { get; }

    /// <summary>Which enrolment it claims.</summary>
    public string Id { get; }

    /// <summary>To be compared with the stored one, in constant time.</summary>
    public string SecretHash { get; }

    /// <summary>Opens a request.</summary>
    /// <exception cref="AgentApiException">The bytes are no request to this control plane.</exception>
    public static OpenedEnrolment Open(PrivateIdentity controlPlane, ReadOnlySpan<byte> envelope)
    {
        ArgumentNullException.ThrowIfNull(controlPlane);
        if (SealedBox.Addressee(EnvelopeKind.Enrolment, envelope) != controlPlane.Public.KeyId)
            throw new AgentApiException(AgentApiFault.NotForUs, "The request is encrypted to another key.", "Ask for a new code: the control plane's key has changed.");
        var box = SealedBox.Open(EnvelopeKind.Enrolment, controlPlane, envelope);
        try
        {
            var statement = JsonSerializer.Deserialize(box.Statement.Span, WireJson.Default.EnrolmentStatement)!;
            var agent = PublicIdentity.Parse(statement.Identity);
            box.RequireSignedBy(agent);
            if (statement.Version != EnrolmentStatement.CurrentVersion)
                throw new AgentApiException(AgentApiFault.UnsupportedVersion, "The request uses another version of the protocol.", "Bring control plane and agent to the same release.");
            if (statement.ToKey != controlPlane.Public.KeyId.ToString()) throw SealedBox.NotAuthentic();
            return new OpenedEnrolment(controlPlane, agent, statement.Enrolment, EnrolmentCode.HashOf(Convert.FromHexString(statement.Secret)), SHA256.HashData(envelope));
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            // Not passed on as a cause: its text may quote the statement, which holds the secret.
            throw new AgentApiException(AgentApiFault.Malformed, "The request cannot be read.", "Bring control plane and agent to the same release.");
        }
    }

    /// <summary>Seals the welcome.</summary>
    /// <param name="trusted">The keys the agent shall trust; this control plane's own comes first.</param>
    public byte[] SealWelcome(IReadOnlyList<PublicIdentity> trusted)
    {
        var statement = new WelcomeStatement
        {
            Version = EnrolmentStatement.CurrentVersion,
            RequestSha256 = Convert.ToHexStringLower(_requestHash),
            ToKey = Agent.KeyId.ToString(),
            Identities = [.. trusted.Select(identity => identity.Export())],
        };
        return SealedBox.Seal(EnvelopeKind.Welcome, _controlPlane, Agent, JsonSerializer.SerializeToUtf8Bytes(statement, WireJson.Default.WelcomeStatement));
    }
}
