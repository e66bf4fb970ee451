using Backup.LocalStack.Services;

namespace Backup.Services.Testing;

/// <summary>One Azurite blob server per test assembly: <c>[assembly: AssemblyFixture(typeof(AzuriteFixture))]</c>. Its blobs live in memory.</summary>
public sealed class AzuriteFixture : IAsyncLifetime
{
    private readonly ScratchFolder _scratch = new("azurite");

    public AzuriteServer Server { get; private set; } = null!;

    public string ConnectionString => Server.ConnectionString;

    public Uri BlobEndpoint => Server.BlobEndpoint;

    public async ValueTask InitializeAsync() =>
        Server = await AzuriteServer.StartAsync(await LocalPackages.InstallAsync(), new AzuriteOptions(_scratch.Path) { InMemory = true });

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        _scratch.Dispose();
    }
}
