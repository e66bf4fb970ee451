using Shouldly;

namespace Backup.AgentApi.Tests.Sealing;

public sealed class OrderRoundTripTests
{
    private readonly Parties _parties = new();

    [Fact]
    public void Open_WhatWasSealed_GivesTheSameOrder()
    {
        var order = _parties.Opener.Open(_parties.SealBackup().Envelope.Span);
        order.OrderId.ShouldBe(Parties.Id);
        order.Operation.ShouldBe(Operation.Backup);
        order.Sender.KeyId.ShouldBe(_parties.ControlPlane.Public.KeyId);
        order.Payload.ShouldBeSameAsWritten(Parties.Backup);
    }

    [Fact]
    public void EveryOperation_TravelsBothWays()
    {
        Exchange(Parties.Backup, Ticket());
        Exchange(Parties.Restore, Ticket());
        Exchange(Parties.Replicate, Ticket());
        Exchange(new JobQuery { OrderId = Parties.Id, WaitSeconds = 45 }, Report());
        Exchange(new CancelOrder { OrderId = Parties.Id }, Report());
        Exchange(new HealthQuery(), new AgentHealth { Agent = "lab-agent-1", Version = "0.1.0", StartedAt = Parties.Start, Now = Parties.Start, Vaults = [new VaultHealth { Name = "main", VaultId = "v1", BytesFree = 5 }] });
        Exchange(new SnapshotsQuery { Vault = "main", After = "s0" }, new SnapshotPage
        {
            Next = "s1",
            Snapshots = [new SnapshotSummary { SnapshotId = "s1", Asset = "voids", SourceKind = SourceKind.Postgres, VaultId = "v1", StartedAt = Parties.Start, EndedAt = Parties.Start, ConsistencyPoint = new ConsistencyPoint { Timeline = 1, StartLsn = "0/2000028", StopLsn = "0/3000100" } }],
        });
    }

    [Fact]
    public void SealRefusal_ReachesTheSender()
    {
        var sent = _parties.SealBackup();
        var refusal = new Failure { Code = FailureCode.UnknownVault, Message = "No vault 'main'.", Hint = "Configure it." };
        var answer = _parties.Sealer.Open(sent, _parties.Opener.SealRefusal(_parties.Opener.Open(sent.Envelope.Span), refusal));
        answer.Value.ShouldBeNull();
        answer.Refusal.ShouldBe(refusal);
    }

    [Fact]
    public void Seal_Twice_GivesUnrelatedBytes()
    {
        var first = _parties.SealBackup().Envelope.ToArray();
        var second = _parties.SealBackup().Envelope.ToArray();
        second.Length.ShouldBe(first.Length);
        // Magic and recipient key id are the same; everything after is fresh, bar chance.
        first.Skip(20).Zip(second.Skip(20)).Count(pair => pair.First == pair.Second).ShouldBeLessThan(first.Length / 20);
    }

    [Fact]
    public void Envelope_NeverShowsTheOrder()
    {
        var text = System.Text.Encoding.Latin1.GetString(_parties.Sealer.Seal(_parties.Agent.Public, Parties.Id, Parties.Replicate).Envelope.Span);
        text.ShouldNotContain("topsecret");
        text.ShouldNotContain("replicate");
        text.ShouldNotContain("lab-agent-1");
        text.ShouldNotContain(Parties.Id.Value);
    }

    [Fact]
    public void SealAnswer_OfAnotherOperationsType_IsMisuse()
    {
        var order = _parties.Opener.Open(_parties.SealBackup().Envelope.Span);
        Should.Throw<ArgumentException>(() => _parties.Opener.SealAnswer(order, Report()));
    }

    [Fact]
    public void Seal_ForRotatedKeys_OpensWithEitherAndAnswersFromTheAddressedOne()
    {
        using var next = PrivateIdentity.Create("lab-agent-1");
        using var nextControl = PrivateIdentity.Create("control-plane");
        var opener = new OrderOpener(new FixedKeys([next, _parties.Agent], [_parties.ControlPlane.Public, nextControl.Public]), _parties.Clock);
        foreach (var control in new[] { _parties.ControlPlane, nextControl })
        {
            var sealer = new OrderSealer(control, _parties.Clock);
            foreach (var agent in new[] { _parties.Agent, next })
            {
                var sent = sealer.Seal(agent.Public, Parties.Id, Parties.Backup);
                sealer.Open(sent, opener.SealAnswer(opener.Open(sent.Envelope.Span), Ticket())).Value.ShouldBe(Ticket());
            }
        }
    }

    private static JobTicket Ticket() => new() { OrderId = Parties.Id, State = JobState.Queued };

    private static JobReport Report() => new()
    {
        OrderId = Parties.Id,
        Operation = Operation.Backup,
        State = JobState.Partial,
        Progress = new JobProgress { Phase = "done", BytesDone = 7, BytesTotal = 7, ItemsDone = 3 },
        Backup = new BackupResult
        {
            SnapshotId = "s1",
            Asset = "fits-files",
            SourceKind = SourceKind.Files,
            VaultId = "v1",
            StartedAt = Parties.Start,
            EndedAt = Parties.Start.AddMinutes(1),
            BytesRead = 7,
            BytesNew = 6,
            BytesStored = 5,
            FilesTotal = 3,
            FilesUnreadableTotal = 1,
            FilesUnreadable = [new UnreadableFile { Path = "/data/fits/x", Reason = "permission denied" }],
        },
        StartedAt = Parties.Start,
        EndedAt = Parties.Start.AddMinutes(1),
    };

    private void Exchange<TAnswer>(OrderPayload<TAnswer> order, TAnswer answer)
        where TAnswer : class
    {
        var sent = _parties.Sealer.Seal(_parties.Agent.Public, Parties.Id, order);
        var opened = _parties.Opener.Open(sent.Envelope.Span);
        opened.Payload.ShouldBeSameAsWritten(order);
        _parties.Sealer.Open(sent, _parties.Opener.SealAnswer(opened, answer)).Value!.ShouldBeSameAsWritten(answer);
    }
}
