using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.AgentApi.Tests;

/// <summary>A control plane and an agent that know each other, on one clock.</summary>
internal sealed class Parties
{
    public static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public Parties()
    {
        Clock = new FakeTimeProvider(Start);
        ControlPlane = PrivateIdentity.Create("control-plane");
        Agent = PrivateIdentity.Create("lab-agent-1");
        Sealer = new OrderSealer(ControlPlane, Clock);
        Opener = new OrderOpener(Agent, ControlPlane.Public, Clock);
    }

    public FakeTimeProvider Clock { get; }

    public PrivateIdentity ControlPlane { get; }

    public PrivateIdentity Agent { get; }

    public OrderSealer Sealer { get; }

    public OrderOpener Opener { get; }

    public static BackupOrder Backup { get; } = new()
    {
        RunId = "run-1",
        Asset = "fits-files",
        SourceKind = SourceKind.Files,
        Files = new FilesSettings { Paths = ["/data/fits"], Excludes = ["*.tmp"] },
        Vault = "main",
        Tags = new Dictionary<string, string> { ["class"] = "research" },
    };

    public static ReplicateOrder Replicate { get; } = new()
    {
        Vault = "main",
        SnapshotId = "s1",
        Replica = new ReplicaTarget { Name = "offsite-hot", ContainerUri = new Uri("https://account.example/replica"), Sas = new SecretText("sig=topsecret"), AccessTier = AccessTier.Hot },
    };

    public static RestoreOrder Restore { get; } = new()
    {
        RestoreId = "r1",
        Asset = "fits-files",
        SourceKind = SourceKind.Files,
        SnapshotId = "s1",
        From = RestoreOrigin.FromReplica(new Uri("https://account.example/replica"), new SecretText("sig=topsecret"), "v1"),
        Target = "/restore/here",
        Include = ["**/*.fits"],
        Overwrite = true,
    };

    public static OrderId Id { get; } = OrderId.Derive("backup-fits-files-20260301T1200", "backup");

    public SealedOrder<JobTicket> SealBackup() => Sealer.Seal(Agent.Public, Id, Backup);
}

internal static class Written
{
    /// <summary>Same type and same content; list and dictionary types may differ.</summary>
    public static void ShouldBeSameAsWritten(this object actual, object expected)
    {
        actual.GetType().ShouldBe(expected.GetType());
        JsonSerializer.Serialize(actual, actual.GetType()).ShouldBe(JsonSerializer.Serialize(expected, expected.GetType()));
    }
}
