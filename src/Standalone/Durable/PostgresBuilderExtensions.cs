using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.DependencyInjection;

namespace Backup.Standalone.Durable;

/// <summary>Choosing the PostgreSQL database of workers and clients that are not part of a functions app.</summary>
public static class PostgresBuilderExtensions
{
    /// <summary>Sets the worker's database instead of taking it from configuration.</summary>
    public static IDurableTaskWorkerBuilder UsePostgres(this IDurableTaskWorkerBuilder builder, string connectionString) =>
        builder.UsePostgres(options => options.ConnectionString = connectionString);

    /// <summary>Sets the worker's database, hub and limits.</summary>
    public static IDurableTaskWorkerBuilder UsePostgres(this IDurableTaskWorkerBuilder builder, Action<DurableStorageOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure(builder.Name, configure);
        return builder;
    }

    /// <summary>Sets the client's database instead of taking it from configuration.</summary>
    public static IDurableTaskClientBuilder UsePostgres(this IDurableTaskClientBuilder builder, string connectionString) =>
        builder.UsePostgres(options => options.ConnectionString = connectionString);

    /// <summary>Sets the client's database and hub.</summary>
    public static IDurableTaskClientBuilder UsePostgres(this IDurableTaskClientBuilder builder, Action<DurableStorageOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure(builder.Name, configure);
        return builder;
    }
}
