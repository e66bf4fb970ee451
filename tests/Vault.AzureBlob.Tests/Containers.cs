using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using Backup.Services.Testing;

namespace Backup.Vault.AzureBlob.Tests;

/// <summary>Fresh containers of the test server.</summary>
internal static class Containers
{
    public static BlobStoreOptions Impatient { get; } =
        new() { RetriesMax = 1, RetryDelay = TimeSpan.FromMilliseconds(10), RequestTimeout = TimeSpan.FromSeconds(20) };

    public static BlobCredential Credential(this AzuriteFixture azurite) => BlobCredential.Parse(azurite.ConnectionString);

    public static BlobContainerClient Client(this AzuriteFixture azurite, BlobLocation location) =>
        new BlobServiceClient(azurite.ConnectionString).GetBlobContainerClient(location.Container.Segments[^1]);

    /// <summary>What the Functions app grants for a replica: create, list and read.</summary>
    public static string SasToReplicate(this AzuriteFixture azurite, BlobLocation location, DateTimeOffset? end = null) => azurite.Client(location).GenerateSasUri(
        BlobContainerSasPermissions.Create | BlobContainerSasPermissions.List | BlobContainerSasPermissions.Read, end ?? DateTimeOffset.UtcNow.AddHours(1)).Query;

    public static async Task<BlobLocation> NewAsync(this AzuriteFixture azurite)
    {
        var location = BlobLocation.Parse($"{azurite.BlobEndpoint}/c{Guid.NewGuid():N}");
        await new AzureBlobObjectStore(location, azurite.Credential()).EnsureContainerAsync(TestContext.Current.CancellationToken);
        return location;
    }
}
