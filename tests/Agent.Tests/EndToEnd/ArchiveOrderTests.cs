using System.Diagnostics;
using System.Security.Cryptography;
using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using Backup.AgentApi;
using Backup.Services.Testing;
using Backup.Vault;
using Backup.Vault.AzureBlob;
using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>A replica whose packs lie in the archive tier of Azurite, the whole agent in this process.</summary>
public sealed class ArchiveOrderTests(AzuriteFixture azurite) : IAsyncLifetime
{
    private const int FileBytes = 40_000;

    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;
    private readonly string _container = $"c{Guid.NewGuid():N}";
    private AgentBench _bench = null!;

    public async ValueTask InitializeAsync() => _bench = await AgentBench.StartAsync();

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task SurveyThenRestore_ReadyPacksFirst_EverythingInTheEnd()
    {
        var (snapshot, copies) = await ArchiveTwoNightsAsync();
        var origin = Origin(snapshot.VaultId);

        var survey = await _bench.RunAsync("survey-1", new SurveyOrder { SnapshotId = snapshot.Id, From = origin });
        survey.State.ShouldBe(JobState.Succeeded, survey.Failure?.Message);
        survey.Survey.ShouldBe(new SurveyResult { Files = 7, Bytes = 7 * FileBytes, Packs = 2 });
        var packs = (await _bench.OrderAsync("packs-1", new SurveyPacksQuery { OrderId = OrderId.Parse("survey-1") })).Value!.Names;
        packs.Count.ShouldBe(2);
        (await _bench.OrderAsync("packs-2", new SurveyPacksQuery { OrderId = OrderId.Parse("survey-1"), Skip = 1 })).Value!.Names.ShouldBe([packs[1]]);
        (await _bench.OrderAsync("packs-3", new SurveyPacksQuery { OrderId = OrderId.Parse("survey-none") })).Refusal!.Hint.ShouldContain("Order it again");

        // Without the archive in the order it is an ordinary replica, which cannot be read.
        var target = _bench.Scratch["restore/a"];
        (await _bench.RunAsync("restore-0", AgentBench.Restore(snapshot.Id, _bench.Scratch["restore/none"], origin))).Failure!.Message.ShouldContain("archive tier");

        var order = AgentBench.Restore(snapshot.Id, target, origin) with { Archive = ArchiveReading.Ready };
        var nothing = await _bench.RunAsync("restore-1", order);
        (nothing.State, nothing.Restore!.FilesRestored, nothing.Restore.FilesWaiting).ShouldBe((JobState.Succeeded, 0, 7));

        await copies.RequestAsync([Name(packs[1])], isHighPriority: false, _cancel);
        var part = await _bench.RunAsync("restore-2", order);
        part.State.ShouldBe(JobState.Succeeded, part.Failure?.Message);
        (part.Restore!.FilesRestored + part.Restore.FilesWaiting).ShouldBe(7);
        part.Restore.FilesRestored.ShouldBeGreaterThan(0);
        part.Restore.FilesWaiting.ShouldBeGreaterThan(0);
        File.Exists(Path.Combine(target, ".restore-in-progress")).ShouldBeTrue();

        await copies.RequestAsync([Name(packs[0])], isHighPriority: false, _cancel);
        var all = await _bench.RunAsync("restore-3", order with { Archive = ArchiveReading.All });
        all.State.ShouldBe(JobState.Succeeded, all.Failure?.Message);
        (all.Restore!.FilesRestored, all.Restore.FilesWaiting, all.Restore.BytesRestored).ShouldBe((7, 0, 7 * FileBytes));
        all.Restore.BytesWritten.ShouldBeLessThan(7 * FileBytes);
        _bench.ShouldBeRestored(target);
        File.Exists(Path.Combine(target, ".restore-in-progress")).ShouldBeFalse();
    }

    [Fact]
    public async Task Survey_WithPatterns_NamesOnlyThePacksOfWhatIsWanted()
    {
        var (snapshot, _) = await ArchiveTwoNightsAsync();
        var origin = Origin(snapshot.VaultId);
        (await _bench.RunAsync("survey-1", new SurveyOrder { SnapshotId = snapshot.Id, From = origin, Include = ["second-*"] })).Survey
            .ShouldBe(new SurveyResult { Files = 4, Bytes = 4 * FileBytes, Packs = 1 });
        (await _bench.RunAsync("survey-2", new SurveyOrder { SnapshotId = new string('a', 64), From = origin })).Failure!.Code.ShouldBe(FailureCode.SnapshotMissing);
    }

    private static ObjectName Name(string pack)
    {
        ObjectName.TryParse(pack, out var name).ShouldBeTrue();
        return name;
    }

    /// <summary>Two backups, so that there are two packs; a file of the second has a second name.</summary>
    private async Task<((string Id, string VaultId) Snapshot, RehydratedCopies Copies)> ArchiveTwoNightsAsync()
    {
        await _bench.StartAgentAsync();
        await BackUpAsync("first", 3);
        var made = await BackUpAsync("second", 3, "second-link");
        var container = Container();
        await container.CreateAsync(cancellationToken: _cancel);
        var rights = BlobContainerSasPermissions.Create | BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read;
        var replicate = await _bench.RunAsync("replicate-1", new ReplicateOrder
        {
            Vault = "main",
            SnapshotId = made.SnapshotId,
            Replica = new ReplicaTarget { Name = "archive", ContainerUri = container.Uri, Sas = new SecretText(Sas(rights)), AccessTier = AccessTier.Archive },
        });
        replicate.State.ShouldBe(JobState.Succeeded, replicate.Failure?.Message);
        VaultId.TryParse(made.VaultId, out var vault).ShouldBeTrue();
        return ((made.SnapshotId, made.VaultId), new RehydratedCopies(BlobLocation.Parse(container.Uri.ToString()), vault, BlobCredential.Parse(azurite.ConnectionString)));
    }

    private async Task<BackupResult> BackUpAsync(string name, int files, string? link = null)
    {
        for (var i = 0; i < files; i++)
        {
            _bench.Scratch.Write($"data/{name}-{i}.fits", Convert.ToBase64String(RandomNumberGenerator.GetBytes(FileBytes * 3 / 4)));
        }

        if (link is not null)
        {
            using var made = Process.Start("ln", [_bench.Scratch[$"data/{name}-0.fits"], _bench.Scratch[$"data/{link}.fits"]]);
            await made.WaitForExitAsync(_cancel);
            made.ExitCode.ShouldBe(0);
        }

        var report = await _bench.RunAsync($"backup-{name}", _bench.Backup() with { RunId = name });
        report.State.ShouldBe(JobState.Succeeded, report.Failure?.Message);
        return report.Backup!;
    }

    private BlobContainerClient Container() => new BlobServiceClient(azurite.ConnectionString).GetBlobContainerClient(_container);

    private string Sas(BlobContainerSasPermissions rights) => Container().GenerateSasUri(rights, DateTimeOffset.UtcNow.AddHours(1)).Query.TrimStart('?');

    private RestoreOrigin Origin(string vaultId) =>
        RestoreOrigin.FromReplica(Container().Uri, new SecretText(Sas(BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read)), vaultId);
}
