using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.AgentApi.Tests.Golden;

/// <summary>
/// Envelopes sealed by version 1 with throw-away keys, kept beside this file. They must open for ever: a change that breaks
/// them is a new format version. <see cref="Write"/> shows how they were made.
/// </summary>
public sealed class GoldenEnvelopeTests
{
    private static string Folder => Path.Combine(AppContext.BaseDirectory, "Golden");

    [Fact]
    public void Order_OfVersion1_Opens()
    {
        var (opener, _) = Sides();
        var order = opener.Open(File.ReadAllBytes(Path.Combine(Folder, "order-v1.bin")));
        order.OrderId.ShouldBe(Parties.Id);
        order.Payload.ShouldBeSameAsWritten(Parties.Restore);
        order.Claim.Fingerprint.ShouldBe(File.ReadAllText(Path.Combine(Folder, "order-v1.fingerprint")).Trim());
    }

    [Fact]
    public void Answer_OfVersion1_Opens()
    {
        var (_, sealer) = Sides();
        var agent = PublicIdentity.Parse(File.ReadAllText(Path.Combine(Folder, "agent.pub")));
        var request = new SealedOrder<JobTicket>(File.ReadAllBytes(Path.Combine(Folder, "order-v1.bin")), agent, Parties.Id, Operation.Restore);
        sealer.Open(request, File.ReadAllBytes(Path.Combine(Folder, "answer-v1.bin"))).Value.ShouldBe(new JobTicket { OrderId = Parties.Id, State = JobState.Running });
    }

    [Fact]
    public void Words_OfVersion1_AreUnchanged()
    {
        string[] operations = ["backup", "restore", "replicate", "job", "cancel", "health", "snapshots"];
        Enum.GetValues<Operation>().Select(OrderWords.Word).ShouldBe(operations);
        Enum.GetValues<JobState>().Select(state => System.Text.Json.JsonSerializer.Serialize(state).Trim('"'))
            .ShouldBe(["queued", "running", "succeeded", "partial", "failed", "cancelled", "unknown"]);
    }

    internal static void Write(string folder)
    {
        using var control = PrivateIdentity.Create("control-plane");
        using var agent = PrivateIdentity.Create("lab-agent-1");
        var clock = new FakeTimeProvider(Parties.Start);
        var sealer = new OrderSealer(control, clock);
        var opener = new OrderOpener(agent, control.Public, clock);
        var sent = sealer.Seal(agent.Public, Parties.Id, Parties.Restore);
        var opened = opener.Open(sent.Envelope.Span);
        File.WriteAllText(Path.Combine(folder, "control.key"), control.Export());
        File.WriteAllText(Path.Combine(folder, "agent.key"), agent.Export());
        File.WriteAllText(Path.Combine(folder, "agent.pub"), agent.Public.Export());
        File.WriteAllBytes(Path.Combine(folder, "order-v1.bin"), sent.Envelope.Span);
        File.WriteAllText(Path.Combine(folder, "order-v1.fingerprint"), opened.Claim.Fingerprint + "\n");
        File.WriteAllBytes(Path.Combine(folder, "answer-v1.bin"), opener.SealAnswer(opened, new JobTicket { OrderId = Parties.Id, State = JobState.Running }));
    }

    private static (OrderOpener, OrderSealer) Sides()
    {
        var clock = new FakeTimeProvider(Parties.Start);
        var control = PrivateIdentity.Parse(File.ReadAllText(Path.Combine(Folder, "control.key")));
        var agent = PrivateIdentity.Parse(File.ReadAllText(Path.Combine(Folder, "agent.key")));
        return (new OrderOpener(agent, control.Public, clock), new OrderSealer(control, clock));
    }
}
