using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using Backup.Services.Testing;
using Shouldly;

[assembly: AssemblyFixture(typeof(AzuriteFixture))]

namespace Backup.Cli.Tests;

/// <summary>The commands on a vault in blob storage, with each kind of credential that a file or variable can hold.</summary>
public sealed class BlobCommandTests(AzuriteFixture azurite) : IDisposable
{
    private readonly CliBench _bench = new();

    private string Url { get; } = $"{azurite.BlobEndpoint}/cli{Guid.NewGuid():N}";

    private BlobContainerClient Container => new(azurite.ConnectionString, Url.Split('/')[^1]);

    [Fact]
    public async Task Vault_InBlobStorage_IsMadeFilledCopiedAndRestored()
    {
        _bench.Write("data/letter.txt", "dear reader\n");
        _bench.Write("data/table.csv", string.Join('\n', Enumerable.Range(0, 200_000)));
        _bench.Set("AZURE_STORAGE_CONNECTION_STRING", azurite.ConnectionString);
        (await _bench.RunAsync("vault", "init", "--vault", Url, "--restore-key-file", _bench["restore.key"], "--backup-key-file", _bench["backup.key"])).ShouldEnd(ExitCode.Success);
        (await OnVaultAsync("backup", _bench["data"], "--asset", "docs")).ShouldEnd(ExitCode.Success);
        (await OnVaultAsync("vault", "verify", "--depth", "data")).ShouldEnd(ExitCode.Success).Out.ShouldStartWith("Sound: ");
        (await _bench.RunAsync("vault", "copy", "--vault", Url, "--to", _bench["copy"])).ShouldEnd(ExitCode.Success);

        // A credential that may only read, from a file.
        _bench.Set("AZURE_STORAGE_CONNECTION_STRING", "");
        var readOnly = Container.GenerateSasUri(BlobContainerSasPermissions.Read | BlobContainerSasPermissions.List, DateTimeOffset.UtcNow.AddHours(1)).Query;
        _bench.Write("sas", readOnly);
        (await OnVaultAsync("restore", "--asset", "docs", "--target", _bench["out"], "--credential-file", _bench["sas"])).ShouldEnd(ExitCode.Success);
        File.ReadAllBytes(_bench["out"] + _bench["data/table.csv"]).ShouldBe(File.ReadAllBytes(_bench["data/table.csv"]));
        _bench.Write("data/letter.txt", "dear other reader\n");
        var refused = (await OnVaultAsync("backup", _bench["data"], "--asset", "docs", "--credential-file", _bench["sas"], "--json")).ShouldEnd(ExitCode.AccessDenied);
        refused.Error.ShouldNotContain(readOnly.Split("sig=")[1].Split('&')[0]);
    }

    [Fact]
    public async Task StoreProbe_OnAContainer_PassesEveryCheck()
    {
        await Container.CreateAsync(cancellationToken: TestContext.Current.CancellationToken);
        _bench.Set("AZURE_STORAGE_CONNECTION_STRING", azurite.ConnectionString);
        (await _bench.RunAsync("store", "probe", Url)).ShouldEnd(ExitCode.Success).Out.ShouldContain("keeps the contract");
    }

    public void Dispose() => _bench.Dispose();

    private Task<CliResult> OnVaultAsync(params string[] arguments) => _bench.RunAsync([.. arguments, "--vault", Url, "--key-file", _bench["restore.key"]]);
}
