using System.Text.Json;
using Shouldly;

namespace Backup.AgentApi.Tests.Sealing;

/// <summary>Authentic orders: when they are accepted, and how wrong ones are answered.</summary>
public sealed class AcceptanceTests
{
    private readonly Parties _parties = new();

    [Theory]
    [InlineData(-10 * 60, null)]
    [InlineData((-10 * 60) - 1, AgentApiFault.NotYetValid)]
    [InlineData(15 * 60, null)]
    [InlineData((15 * 60) + 1, AgentApiFault.Expired)]
    public void Open_OnAClockThatDiffers_AcceptsTenMinutesEitherWay(int secondsAhead, AgentApiFault? fault)
    {
        var envelope = _parties.SealBackup().Envelope.ToArray();
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(Parties.Start.AddSeconds(secondsAhead));
        var opener = new OrderOpener(_parties.Agent, _parties.ControlPlane.Public, clock);
        if (fault is null) opener.Open(envelope).OrderId.ShouldBe(Parties.Id);
        else Should.Throw<AgentApiException>(() => opener.Open(envelope)).Fault.ShouldBe(fault.Value);
    }

    [Fact]
    public void Seal_WithALifeLongerThanAgentsAccept_IsMisuse() =>
        Should.Throw<ArgumentOutOfRangeException>(() => _parties.Sealer.Seal(_parties.Agent.Public, Parties.Id, Parties.Backup, TimeSpan.FromMinutes(61)));

    [Fact]
    public void Seal_OfAnOrderThatBreaksTheContract_NamesEveryFault()
    {
        var wrong = Parties.Backup with { Asset = "", Vault = "", Files = null };
        var message = Should.Throw<ArgumentException>(() => _parties.Sealer.Seal(_parties.Agent.Public, Parties.Id, wrong)).Message;
        message.ShouldContain("'asset'");
        message.ShouldContain("'vault'");
        message.ShouldContain("'files'");
    }

    [Fact]
    public void Seal_OfAnUnencryptedContainerAddress_IsMisuse() =>
        Should.Throw<ArgumentException>(() => _parties.Sealer.Seal(_parties.Agent.Public, Parties.Id, Parties.Replicate with { Replica = Parties.Replicate.Replica! with { ContainerUri = new Uri("http://account.example/c") } }))
            .Message.ShouldNotContain("topsecret");

    [Fact]
    public void Seal_ListThatHoldsNull_BreaksTheContract()
    {
        var proof = new ProofSettings { TimeLimitSeconds = 60, Checks = [null!] };
        Should.Throw<ArgumentException>(() => _parties.Sealer.Seal(_parties.Agent.Public, Parties.Id, Parties.Restore with { SourceKind = SourceKind.Postgres, Proof = proof })).Message.ShouldContain("'proof.checks' must not hold null");
    }

    [Fact]
    public void Seal_OfTooManyPaths_IsTooLarge()
    {
        var many = Parties.Backup with { Files = new FilesSettings { Paths = [.. Enumerable.Range(0, 9_000).Select(n => $"/data/a-folder-with-a-long-name/{n}")] } };
        Should.Throw<AgentApiException>(() => _parties.Sealer.Seal(_parties.Agent.Public, Parties.Id, many)).Fault.ShouldBe(AgentApiFault.TooLarge);
    }

    [Fact]
    public void Open_OfAnOperationOfALaterRelease_IsAnsweredWithASealedRefusal()
    {
        var refused = OpenCrafted("teleport", "{}");
        refused.Fault.ShouldBe(AgentApiFault.Invalid);
        refused.SealedRefusal.ShouldNotBeNull();
        Statement(refused.SealedRefusal.Value).GetProperty("refusal").GetProperty("code").GetString().ShouldBe("unknown-operation");
    }

    [Theory]
    [InlineData("job", """{"orderId":"../../etc/passwd","waitSeconds":1}""")]
    [InlineData("job", """{"orderId":"o1","waitSeconds":51}""")]
    [InlineData("job", """{"waitSeconds":1}""")]
    [InlineData("backup", """{"runId":"r","asset":"a","sourceKind":"files","files":{"paths":["/x",null]},"vault":"v"}""")]
    [InlineData("backup", """{"runId":"r","asset":"a","sourceKind":0,"vault":"v"}""")]
    [InlineData("backup", """{"runId":"r","asset":"a","sourceKind":"tape","vault":"v"}""")]
    [InlineData("backup", """{"runId":null,"asset":"a","sourceKind":"files","files":{"paths":["/x"]},"vault":"v"}""")]
    [InlineData("snapshots", """[]""")]
    [InlineData("snapshots", """null""")]
    public void Open_OfAnAuthenticOrderThatBreaksTheContract_IsAnsweredWithASealedRefusal(string operation, string payload)
    {
        var refused = OpenCrafted(operation, payload);
        refused.Fault.ShouldBe(AgentApiFault.Invalid);
        Statement(refused.SealedRefusal!.Value).GetProperty("refusal").GetProperty("code").GetString().ShouldBe("invalid-order");
    }

    [Fact]
    public void Open_WithAFieldGivenTwice_IsMalformed() =>
        OpenCrafted("cancel", """{"orderId":"o1","orderId":"o2"}""").Fault.ShouldBe(AgentApiFault.Malformed);

    [Fact]
    public void Open_WithFieldsOfALaterRelease_IgnoresThem()
    {
        var envelope = SealedBox.Seal(EnvelopeKind.Order, _parties.ControlPlane, _parties.Agent.Public,
            TamperingTests.Statement(_parties.ControlPlane.Public, _parties.Agent.Public, "snapshots", """{"vault":"main","colour":"blue"}"""));
        _parties.Opener.Open(envelope).Payload.ShouldBe(new SnapshotsQuery { Vault = "main" });
    }

    [Fact]
    public void Judge_SaysConflictForAnotherOperationOrContent_ButNotForAFreshCredential()
    {
        var replicate = Claim(Parties.Replicate);
        ReplayRule.Judge(null, replicate).ShouldBe(ReplayVerdict.First);
        ReplayRule.Judge(replicate, Claim(Parties.Replicate with { Replica = Parties.Replicate.Replica! with { Sas = new SecretText("sig=fresh") } })).ShouldBe(ReplayVerdict.Repeat);
        ReplayRule.Judge(replicate, Claim(Parties.Replicate with { SnapshotId = "s2" })).ShouldBe(ReplayVerdict.Conflict);
        ReplayRule.Judge(replicate, Claim(Parties.Backup)).ShouldBe(ReplayVerdict.Conflict);
        ReplayRule.Judge(Claim(Parties.Backup), Claim(Parties.Backup with { Priority = JobPriority.Urgent })).ShouldBe(ReplayVerdict.Repeat);
        ReplayRule.Judge(Claim(Parties.Restore), Claim(Parties.Restore with { From = Parties.Restore.From with { Sas = new SecretText("sig=fresh") } })).ShouldBe(ReplayVerdict.Repeat);
        Should.Throw<ArgumentException>(() => ReplayRule.Judge(replicate with { OrderId = OrderId.Parse("other") }, replicate));
    }

    [Fact]
    public void Claim_OutlivesEveryInstantAtWhichTheEnvelopeIsAccepted() =>
        Claim(Parties.Backup).AcceptableUntil.ShouldBe(Parties.Start + SealingLimits.OrderLifetimeDefault + SealingLimits.ClockSkewMax);

    private OrderClaim Claim(OrderPayload<JobTicket> order) =>
        _parties.Opener.Open(_parties.Sealer.Seal(_parties.Agent.Public, Parties.Id, order).Envelope.Span).Claim;

    private AgentApiException OpenCrafted(string operation, string payload) => Should.Throw<AgentApiException>(() => _parties.Opener.Open(
        SealedBox.Seal(EnvelopeKind.Order, _parties.ControlPlane, _parties.Agent.Public, TamperingTests.Statement(_parties.ControlPlane.Public, _parties.Agent.Public, operation, payload))));

    private JsonElement Statement(ReadOnlyMemory<byte> answer)
    {
        var box = SealedBox.Open(EnvelopeKind.Answer, _parties.ControlPlane, answer.Span);
        box.RequireSignedBy(_parties.Agent.Public);
        return JsonDocument.Parse(box.Statement).RootElement;
    }
}
