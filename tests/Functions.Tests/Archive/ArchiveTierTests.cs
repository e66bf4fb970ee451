using System.Security.Cryptography;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Backup.Functions.Archive;
using Backup.Functions.Replication;
using Backup.Policy;
using Backup.Policy.Archive;
using Backup.Services.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Functions.Tests.Archive;

/// <summary>
/// Against Azurite: it refuses to read archived blobs as Azure does, completes copies out of the archive at once, and has no priorities. The hours are emulated by
/// <see cref="SlowArchiveTier"/> on a clock of the test's own.
/// </summary>
public sealed class ArchiveTierTests(AzuriteFixture azurite)
{
    private readonly ArchivePlace _place = new(new TierName("deep"), $"c{Guid.NewGuid():N}", Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)));

    [Fact]
    public async Task Azurite_PackIsAskedFor_IsThereAtOnce_AndGoesAgain()
    {
        var pack = await AddAsync();
        var tier = Tier();
        (await tier.LookAsync(_place, CancellationToken.None)).ShouldBe(new Dictionary<string, ArchivedPackState> { [pack] = new(100, ArchivePresence.Archived) });
        await tier.RequestAsync(_place, [pack, "no/pack"], RehydrationPriority.High, CancellationToken.None);
        (await tier.LookAsync(_place, CancellationToken.None))[pack].Presence.ShouldBe(ArchivePresence.Online);
        await tier.RemoveCopiesAsync(_place, [pack], CancellationToken.None);
        (await tier.LookAsync(_place, CancellationToken.None))[pack].Presence.ShouldBe(ArchivePresence.Archived);
    }

    [Fact]
    public async Task Slow_PackIsAskedFor_TakesItsHoursByPriority()
    {
        var (first, second) = (await AddAsync(), await AddAsync());
        var clock = new FakeTimeProvider();
        var tier = new SlowArchiveTier(Tier(), p => TimeSpan.FromHours(p is RehydrationPriority.High ? 1 : 15), clock);
        await tier.RequestAsync(_place, [first], RehydrationPriority.Standard, CancellationToken.None);
        await tier.RequestAsync(_place, [second], RehydrationPriority.High, CancellationToken.None);
        await ExpectAsync(ArchivePresence.Rehydrating, ArchivePresence.Rehydrating);
        clock.Advance(TimeSpan.FromMinutes(61));
        await tier.RequestAsync(_place, [first], RehydrationPriority.Standard, CancellationToken.None);
        await ExpectAsync(ArchivePresence.Rehydrating, ArchivePresence.Online);
        (await Container().GetBlobClient($"rehydrated/{_place.VaultId}/{first}").ExistsAsync()).Value.ShouldBeFalse();
        clock.Advance(TimeSpan.FromHours(14));
        await ExpectAsync(ArchivePresence.Online, ArchivePresence.Online);

        // Given up before its time, it does not come back.
        await tier.RemoveCopiesAsync(_place, [first, second], CancellationToken.None);
        await tier.RequestAsync(_place, [second], RehydrationPriority.High, CancellationToken.None);
        await tier.RemoveCopiesAsync(_place, [second], CancellationToken.None);
        clock.Advance(TimeSpan.FromHours(20));
        await ExpectAsync(ArchivePresence.Archived, ArchivePresence.Archived);

        async Task ExpectAsync(ArchivePresence a, ArchivePresence b)
        {
            var states = await tier.LookAsync(_place, CancellationToken.None);
            (states[first].Presence, states[second].Presence).ShouldBe((a, b));
        }
    }

    [Fact]
    public async Task Storage_IsAway_IsTransient()
    {
        var tier = Tier("DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=AAAA;BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;");
        (await Should.ThrowAsync<ControlPlaneException>(() => tier.LookAsync(_place, new CancellationTokenSource(TimeSpan.FromMinutes(2)).Token))).IsTransient.ShouldBeTrue();
    }

    private AzureArchiveTier Tier(string? connection = null) => new(new AzureOffsiteStore(
        new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Offsite:ConnectionString"] = connection ?? azurite.ConnectionString }).Build(), TimeProvider.System));

    private BlobContainerClient Container() => new BlobServiceClient(azurite.ConnectionString).GetBlobContainerClient(_place.Container);

    private async Task<string> AddAsync()
    {
        await Container().CreateIfNotExistsAsync();
        var content = RandomNumberGenerator.GetBytes(100);
        var hash = Convert.ToHexStringLower(SHA256.HashData(content));
        var pack = $"data/{hash[..2]}/{hash}";
        await Container().GetBlobClient($"{_place.VaultId}/{pack}").UploadAsync(BinaryData.FromBytes(content), new BlobUploadOptions { AccessTier = Azure.Storage.Blobs.Models.AccessTier.Archive });
        return pack;
    }
}
