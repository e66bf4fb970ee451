using System.Text;
using CsCheck;
using Shouldly;

namespace Backup.AgentApi.Tests.Sealing;

public sealed class TamperingTests
{
    private readonly Parties _parties = new();

    [Fact]
    public void Open_WithAnyByteChanged_Refuses()
    {
        var envelope = _parties.SealBackup().Envelope.ToArray();
        for (var at = 0; at < envelope.Length; at++)
        {
            var altered = (byte[])envelope.Clone();
            altered[at] ^= 0x01;
            Should.Throw<AgentApiException>(() => _parties.Opener.Open(altered), $"byte {at}").SealedRefusal.ShouldBeNull($"byte {at}");
        }
    }

    [Fact]
    public void OpenAnswer_WithAnyByteChanged_Refuses()
    {
        var sent = _parties.SealBackup();
        var answer = Answer(sent);
        for (var at = 0; at < answer.Length; at++)
        {
            var altered = (byte[])answer.Clone();
            altered[at] ^= 0x80;
            Should.Throw<AgentApiException>(() => _parties.Sealer.Open(sent, altered), $"byte {at}");
        }
    }

    [Fact]
    public void Open_OfMutatedBytes_OnlyEverThrowsItsOwnException()
    {
        var envelope = _parties.SealBackup().Envelope.ToArray();
        var mutation = Gen.Select(Gen.Int[0, envelope.Length - 1], Gen.Int[0, 200], Gen.Byte.Array[0, 200]);
        // CsCheck prints the seed of a failing case.
        mutation.Sample((from, cut, insert) =>
        {
            byte[] mutated = [.. envelope.AsSpan(0, from), .. insert, .. envelope.AsSpan(Math.Min(envelope.Length, from + cut))];
            if (!mutated.AsSpan().SequenceEqual(envelope)) Should.Throw<AgentApiException>(() => _parties.Opener.Open(mutated));
        });
        Gen.Byte.Array[0, 400].Sample(bytes =>
        {
            Should.Throw<AgentApiException>(() => _parties.Opener.Open(bytes));
        });
    }

    [Fact]
    public void Open_ByAnotherAgent_IsNotForThem()
    {
        using var other = PrivateIdentity.Create("lab-agent-2");
        var opener = new OrderOpener(other, _parties.ControlPlane.Public, _parties.Clock);
        Fault(() => opener.Open(_parties.SealBackup().Envelope.Span)).ShouldBe(AgentApiFault.NotForUs);
    }

    [Fact]
    public void Open_FromAControlPlaneNotTrusted_IsRefusedWithoutAnAnswer()
    {
        using var stranger = PrivateIdentity.Create("control-plane");
        var sent = new OrderSealer(stranger, _parties.Clock).Seal(_parties.Agent.Public, Parties.Id, Parties.Backup);
        var refused = Should.Throw<AgentApiException>(() => _parties.Opener.Open(sent.Envelope.Span));
        refused.Fault.ShouldBe(AgentApiFault.UnknownSender);
        refused.SealedRefusal.ShouldBeNull();
    }

    [Fact]
    public void Open_SignedByAnAgent_IsNotTrusted()
    {
        using var victim = PrivateIdentity.Create("lab-agent-2");
        var opener = new OrderOpener(victim, _parties.ControlPlane.Public, _parties.Clock);
        var order = new OrderSealer(_parties.Agent, _parties.Clock).Seal(victim.Public, Parties.Id, Parties.Restore);
        Fault(() => opener.Open(order.Envelope.Span)).ShouldBe(AgentApiFault.UnknownSender);
    }

    [Fact]
    public void Open_SignedByAStrangerInTheTrustedName_IsNotAuthentic()
    {
        using var stranger = PrivateIdentity.Create("control-plane");
        var forged = SealedBox.Seal(EnvelopeKind.Order, stranger, _parties.Agent.Public, Statement(_parties.ControlPlane.Public, _parties.Agent.Public, "health", "{}"));
        Fault(() => _parties.Opener.Open(forged)).ShouldBe(AgentApiFault.NotAuthentic);
    }

    [Fact]
    public void Open_AStatementForAnotherAgentReencryptedToThisOne_IsNotForUs()
    {
        using var other = PrivateIdentity.Create("lab-agent-2");
        var moved = SealedBox.Seal(EnvelopeKind.Order, _parties.ControlPlane, _parties.Agent.Public, Statement(_parties.ControlPlane.Public, other.Public, "health", "{}"));
        Fault(() => _parties.Opener.Open(moved)).ShouldBe(AgentApiFault.NotForUs);
    }

    [Fact]
    public void Open_AnOrderWhoseSignatureCameFromAnotherEnvelope_IsNotAuthentic()
    {
        // What an agent that may read its orders could try: keep signature and statement, wrap them anew.
        var original = _parties.SealBackup().Envelope.ToArray();
        var box = SealedBox.Open(EnvelopeKind.Order, _parties.Agent, original);
        using var thief = PrivateIdentity.Create("thief");
        var rewrapped = SealedBox.Seal(EnvelopeKind.Order, thief, _parties.Agent.Public, box.Statement.Span);
        Fault(() => _parties.Opener.Open(rewrapped)).ShouldBe(AgentApiFault.NotAuthentic);
    }

    [Fact]
    public void OpenAnswer_ThatIsAnOrder_IsMalformed()
    {
        var sent = _parties.SealBackup();
        Fault(() => _parties.Sealer.Open(sent, sent.Envelope.Span)).ShouldBe(AgentApiFault.Malformed);
    }

    [Fact]
    public void OpenAnswer_ToTheSameOrderSealedAnew_IsAMismatch()
    {
        var first = _parties.SealBackup();
        var second = _parties.SealBackup();
        Fault(() => _parties.Sealer.Open(second, Answer(first))).ShouldBe(AgentApiFault.AnswerMismatch);
    }

    [Fact]
    public void OpenAnswer_FromAnotherAgent_IsNotAuthentic()
    {
        using var other = PrivateIdentity.Create("lab-agent-1");
        var sent = _parties.SealBackup();
        var toOther = _parties.Sealer.Seal(other.Public, Parties.Id, Parties.Backup);
        var opener = new OrderOpener(other, _parties.ControlPlane.Public, _parties.Clock);
        var answer = opener.SealAnswer(opener.Open(toOther.Envelope.Span), new JobTicket { OrderId = Parties.Id, State = JobState.Queued });
        Fault(() => _parties.Sealer.Open(sent, answer)).ShouldBe(AgentApiFault.NotAuthentic);
    }

    [Fact]
    public void Open_LargerThanTheLimit_IsRefusedBeforeCryptography() =>
        Fault(() => _parties.Opener.Open(new byte[SealingLimits.OrderBytesMax + 1])).ShouldBe(AgentApiFault.TooLarge);

    [Fact]
    public void Open_OfALaterFormat_SaysSo()
    {
        var envelope = _parties.SealBackup().Envelope.ToArray();
        envelope[3]++;
        Fault(() => _parties.Opener.Open(envelope)).ShouldBe(AgentApiFault.UnsupportedVersion);
    }

    internal static byte[] Statement(PublicIdentity from, PublicIdentity to, string operation, string payload) => Encoding.UTF8.GetBytes(
        $$"""
        {"v":1,"from":"{{from.Name}}","fromKey":"{{from.KeyId}}","to":"{{to.Name}}","toKey":"{{to.KeyId}}","op":"{{operation}}","id":"o1",
         "issuedAtMs":{{Parties.Start.ToUnixTimeMilliseconds()}},"expiresAtMs":{{Parties.Start.AddMinutes(5).ToUnixTimeMilliseconds()}},"payload":{{payload}},"later":[1] }
        """);

    private static AgentApiFault Fault(Action action) => Should.Throw<AgentApiException>(action).Fault;

    private byte[] Answer(SealedOrder<JobTicket> sent) =>
        _parties.Opener.SealAnswer(_parties.Opener.Open(sent.Envelope.Span), new JobTicket { OrderId = Parties.Id, State = JobState.Queued });
}
