using Backup.AgentApi;

namespace Backup.Agent.Tests.Jobs;

/// <summary>Orders as tests need them.</summary>
internal static class Orders
{
    public static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static BackupOrder Backup(string asset = "fits", params string[] paths) => new()
    {
        RunId = "run-1",
        Asset = asset,
        SourceKind = SourceKind.Files,
        Files = new FilesSettings { Paths = paths.Length == 0 ? ["/srv/fits"] : paths },
        Vault = "main",
    };

    public static ReplicateOrder Replicate(string sas) => new()
    {
        Vault = "main",
        SnapshotId = new string('a', 64),
        Replica = new ReplicaTarget
        {
            Name = "offsite",
            ContainerUri = new Uri("https://acc.blob.core.windows.net/replica"),
            Sas = new SecretText(sas),
            AccessTier = AccessTier.Cool,
        },
    };

    public static OrderClaim Claim(string id, OrderPayload payload, string fingerprint = "f") =>
        new(OrderId.Parse(id), payload.Operation, fingerprint, Start + TimeSpan.FromMinutes(15));
}
