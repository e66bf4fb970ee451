using Backup.LocalStack.Services;

namespace Backup.Services.Testing;

/// <summary>One PostgreSQL server per test assembly: <c>[assembly: AssemblyFixture(typeof(PostgresFixture))]</c>.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    private readonly ScratchFolder _scratch = new("pg");
    private int _databases;

    public PostgresServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() =>
        Server = await PostgresServer.StartAsync(await LocalPackages.InstallAsync(), new PostgresOptions("test PostgreSQL", _scratch.Path)
        {
            Durable = false,
            Settings = new Dictionary<string, string> { ["max_connections"] = "200" },
        });

    /// <summary>A fresh, empty database.</summary>
    /// <returns>Its connection string, as superuser.</returns>
    public Task<string> CreateDatabaseAsync() => Server.CreateDatabaseAsync($"test_{Interlocked.Increment(ref _databases)}");

    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        _scratch.Dispose();
    }
}
