using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.AgentApi.Tests.Golden;

/// <summary>
/// The test vectors of ENVELOPE.md, made with throw-away keys and kept under tests/fixtures/sealing. They must open, and be made
/// again byte for byte, for ever: a change that breaks them is a new format version. <see cref="Write"/> shows how they were made.
/// </summary>
public sealed class GoldenEnvelopeTests
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One exchange. Binary values are lower-case hex.</summary>
    internal sealed record Vectors(
        string ControlPlaneIdentity, string AgentIdentity, string ControlPlaneKeyId, string AgentKeyId, string OrderFingerprint, Envelope Order, Envelope Answer);

    /// <summary>One envelope and all it is made from.</summary>
    internal sealed record Envelope(string EphemeralSecret, string Header, string Statement, string Signature, string Bytes);

    private static string File => Path.Combine(AppContext.BaseDirectory, "Golden", "envelope-v2.json");

    [Fact]
    public void Order_OfVersion2_Opens()
    {
        var (vectors, opener, _) = Sides();
        var order = opener.Open(Convert.FromHexString(vectors.Order.Bytes));
        order.OrderId.ShouldBe(Parties.Id);
        order.Payload.ShouldBeSameAsWritten(Parties.Restore);
        order.Claim.Fingerprint.ShouldBe(vectors.OrderFingerprint);
    }

    [Fact]
    public void Answer_OfVersion2_Opens()
    {
        var (vectors, _, sealer) = Sides();
        var agent = PrivateIdentity.Parse(vectors.AgentIdentity).Public;
        var request = new SealedOrder<JobTicket>(Convert.FromHexString(vectors.Order.Bytes), agent, Parties.Id, Operation.Restore);
        sealer.Open(request, Convert.FromHexString(vectors.Answer.Bytes)).Value.ShouldBe(new JobTicket { OrderId = Parties.Id, State = JobState.Running });
    }

    [Fact]
    public void Envelopes_SealedAgain_AreTheSameBytes()
    {
        var vectors = Read();
        using var control = PrivateIdentity.Parse(vectors.ControlPlaneIdentity);
        using var agent = PrivateIdentity.Parse(vectors.AgentIdentity);
        control.Public.KeyId.ToString().ShouldBe(vectors.ControlPlaneKeyId);
        agent.Public.KeyId.ToString().ShouldBe(vectors.AgentKeyId);
        Again(EnvelopeKind.Order, control, agent.Public, vectors.Order).ShouldBe(vectors.Order);
        Again(EnvelopeKind.Answer, agent, control.Public, vectors.Answer).ShouldBe(vectors.Answer);
    }

    [Fact]
    public void Words_AreUnchanged()
    {
        string[] operations = ["backup", "restore", "replicate", "prune", "hold", "release", "verify", "tidy", "survey", "job", "cancel", "health", "snapshots", "deletions", "survey-packs", "inventory", "log", "rpo", "rotate-agent-key", "trust-control-plane-key", "revoke-control-plane-key"];
        Enum.GetValues<Operation>().Select(OrderWords.Word).ShouldBe(operations);
        Enum.GetValues<JobState>().Select(state => JsonSerializer.Serialize(state).Trim('"'))
            .ShouldBe(["queued", "running", "succeeded", "partial", "failed", "cancelled", "unknown"]);
    }

    internal static void Write(string file)
    {
        using var control = PrivateIdentity.Create("control-plane");
        using var agent = PrivateIdentity.Create("lab-agent-1");
        var clock = new FakeTimeProvider(Parties.Start);
        var opener = new OrderOpener(agent, control.Public, clock);
        var sent = new OrderSealer(control, clock).Seal(agent.Public, Parties.Id, Parties.Restore);
        var statement = Opened(EnvelopeKind.Order, agent, sent.Envelope.ToArray());
        var order = Again(EnvelopeKind.Order, control, agent.Public, new Envelope(NewEphemeral(), "", statement, "", ""));
        var opened = opener.Open(Convert.FromHexString(order.Bytes));
        var answered = Opened(EnvelopeKind.Answer, control, opener.SealAnswer(opened, new JobTicket { OrderId = Parties.Id, State = JobState.Running }));
        var answer = Again(EnvelopeKind.Answer, agent, control.Public, new Envelope(NewEphemeral(), "", answered, "", ""));
        var vectors = new Vectors(control.Export(), agent.Export(), control.Public.KeyId.ToString(), agent.Public.KeyId.ToString(), opened.Claim.Fingerprint, order, answer);
        System.IO.File.WriteAllText(file, JsonSerializer.Serialize(vectors, Json) + "\n");
    }

    private static string NewEphemeral()
    {
        Span<byte> secret = stackalloc byte[X25519.KeyBytes];
        X25519.NewSecret(secret);
        return Convert.ToHexStringLower(secret);
    }

    private static string Opened(EnvelopeKind kind, PrivateIdentity recipient, byte[] envelope) => Encoding.UTF8.GetString(SealedBox.Open(kind, recipient, envelope).Statement.Span);

    private static Envelope Again(EnvelopeKind kind, PrivateIdentity sender, PublicIdentity recipient, Envelope made)
    {
        var statement = Encoding.UTF8.GetBytes(made.Statement);
        var bytes = SealedBox.Seal(kind, sender, recipient, statement, Convert.FromHexString(made.EphemeralSecret));
        var header = bytes.AsSpan(0, SealedBox.HeaderBytes);
        return made with
        {
            Header = Convert.ToHexStringLower(header),
            Signature = Convert.ToHexStringLower(sender.Sign(SealedBox.SignedBytes(kind, header, statement))),
            Bytes = Convert.ToHexStringLower(bytes),
        };
    }

    private static Vectors Read() => JsonSerializer.Deserialize<Vectors>(System.IO.File.ReadAllText(File))!;

    private static (Vectors, OrderOpener, OrderSealer) Sides()
    {
        var vectors = Read();
        var clock = new FakeTimeProvider(Parties.Start);
        var control = PrivateIdentity.Parse(vectors.ControlPlaneIdentity);
        var agent = PrivateIdentity.Parse(vectors.AgentIdentity);
        return (vectors, new OrderOpener(agent, control.Public, clock), new OrderSealer(control, clock));
    }
}
