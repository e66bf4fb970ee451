using System.Text;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Vault.AzureBlob.Tests.Replicas;

public sealed class ReplicaManifestTests
{
    private static readonly ReplicaManifest Sample = new()
    {
        Vault = new VaultId(Enumerable.Range(0, 16).Select(i => (byte)i).ToArray()),
        Snapshot = new SnapshotId(ContentHash.Of("s"u8)),
        CreatedAt = new DateTimeOffset(2026, 3, 1, 14, 0, 0, TimeSpan.FromHours(2)),
        Entries =
        [
            new ReplicaManifestEntry(new ObjectName(ObjectKind.Snapshot, ContentHash.Of("s"u8)), 1, true),
            new ReplicaManifestEntry(new ObjectName(ObjectKind.DataPack, ContentHash.Of("d"u8)), 16_777_216, false),
        ],
    };

    /// <summary>The bytes are stored for years: this text never changes.</summary>
    private const string Golden = """
        backup-replica-manifest 1
        vault 000102030405060708090a0b0c0d0e0f
        snapshot 043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89
        created 2026-03-01T12:00:00.0000000Z
        objects 2
        = 16777216 data/18/18ac3e7343f016890c510e93f935261169d9e3f565436429830faf0934f4f8e4
        + 1 snapshots/04/043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89

        """;

    [Fact]
    public void ToBytes_Sample_IsTheGoldenText() => Encoding.ASCII.GetString(Sample.ToBytes()).ShouldBe(Golden);

    [Fact]
    public void Parse_GoldenText_ReadsEverythingBack()
    {
        var manifest = ReplicaManifest.Parse(Encoding.ASCII.GetBytes(Golden));

        manifest.Vault.ShouldBe(Sample.Vault);
        manifest.Snapshot.ShouldBe(Sample.Snapshot);
        manifest.CreatedAt.ShouldBe(Sample.CreatedAt);
        manifest.Entries.ShouldBe(Sample.Entries, ignoreOrder: true);
        manifest.ToBytes().ShouldBe(Sample.ToBytes());
    }

    [Fact]
    public void Parse_CutAtEveryByte_IsRefusedOrEqual()
    {
        var whole = Sample.ToBytes();
        for (var length = 0; length < whole.Length - 1; length++)
        {
            Should.Throw<VaultException>(() => ReplicaManifest.Parse(whole.AsMemory(0, length)), $"cut at {length}");
        }
    }

    [Fact]
    public void Parse_NewerVersion_SaysSo() =>
        Should.Throw<VaultException>(() => ReplicaManifest.Parse("backup-replica-manifest 2\n"u8.ToArray())).Fault.ShouldBe(VaultFault.NewerFormat);

    [Theory]
    [InlineData("objects 2", "objects 3")]
    [InlineData("= 16777216", "= -5")]
    [InlineData("= 16777216", "* 16777216")]
    [InlineData("data/18/18ac", "data/19/18ac")]
    [InlineData("vault 00", "vault zz")]
    public void Parse_AnyLineWrong_IsRefused(string what, string with) =>
        Should.Throw<VaultException>(() => ReplicaManifest.Parse(Encoding.ASCII.GetBytes(Golden.Replace(what, with, StringComparison.Ordinal))))
            .Fault.ShouldBe(VaultFault.Damaged);
}
