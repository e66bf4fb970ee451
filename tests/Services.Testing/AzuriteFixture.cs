using Backup.LocalStack.Services;

namespace Backup.Services.Testing;

/// <summary>
/// One Azurite blob server per test assembly: <c>[assembly: AssemblyFixture(typeof(AzuriteFixture))]</c>. Its blobs live in memory. A test that stops or kills it starts one
/// of its own, with <see cref="IsDurable"/>.
/// </summary>
public sealed class AzuriteFixture : IAsyncLifetime
{
    private readonly ScratchFolder _scratch = new("azurite");

    /// <summary>Blobs outlive the server's process.</summary>
    public bool IsDurable { get; init; }

    public AzuriteServer Server { get; private set; } = null!;

    public string ConnectionString => Server.ConnectionString;

    public Uri BlobEndpoint => Server.BlobEndpoint;

    public async ValueTask InitializeAsync() =>
        Server = await AzuriteServer.StartAsync(await LocalPackages.InstallAsync(), new AzuriteOptions(_scratch.Path) { InMemory = !IsDurable });

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        _scratch.Dispose();
    }
}
