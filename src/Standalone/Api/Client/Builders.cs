using Microsoft.DurableTask.Converters;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.DurableTask.Client;

/// <summary>Options of a client.</summary>
public class DurableTaskClientOptions
{
    /// <summary>The version of instances scheduled without one; empty: none.</summary>
    public string DefaultVersion { get; set; } = string.Empty;

    /// <summary>Turns inputs, outputs and events into stored text and back.</summary>
    public DataConverter DataConverter { get; set; } = JsonDataConverter.Default;

    /// <summary>Whether the client has entities. Default true: PostgreSQL, as the durable task scheduler, supports them.</summary>
    public bool EnableEntitySupport { get; set; } = true;
}

/// <summary>Builds a client.</summary>
public interface IDurableTaskClientBuilder
{
    /// <summary>The client's name.</summary>
    string Name { get; }

    /// <summary>Where services are registered.</summary>
    IServiceCollection Services { get; }

    /// <summary>The client type to build; null: the PostgreSQL client of this assembly.</summary>
    Type? BuildTarget { get; set; }

    /// <summary>Builds the client.</summary>
    DurableTaskClient Build(IServiceProvider serviceProvider);
}

/// <summary>Hands out clients by name.</summary>
public interface IDurableTaskClientProvider
{
    /// <summary>The client of a name.</summary>
    /// <param name="name">The name; null: the default client.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no client of that name.</exception>
    DurableTaskClient GetClient(string? name = null);
}

/// <summary>The usual client builder.</summary>
public class DefaultDurableTaskClientBuilder : IDurableTaskClientBuilder
{
    private Type? _buildTarget;

    /// <summary>A builder of a client.</summary>
    /// <param name="name">The client's name; null: the default name.</param>
    /// <param name="services">Where services are registered.</param>
    public DefaultDurableTaskClientBuilder(string? name, IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        Name = name ?? string.Empty;
        Services = services;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IServiceCollection Services { get; }

    /// <inheritdoc/>
    public Type? BuildTarget
    {
        get => _buildTarget;
        set
        {
            if (value is not null && (value.IsAbstract || !typeof(DurableTaskClient).IsAssignableFrom(value)))
            {
                throw new ArgumentException($"{value} is not a concrete {nameof(DurableTaskClient)}.", nameof(value));
            }

            _buildTarget = value;
        }
    }

    /// <inheritdoc/>
    public DurableTaskClient Build(IServiceProvider serviceProvider) => BuildTarget is null
        ? Backup.Standalone.Durable.PostgresClients.Create(serviceProvider, Name)
        : (DurableTaskClient)ActivatorUtilities.CreateInstance(serviceProvider, BuildTarget, Name);
}

/// <summary>Configuring clients.</summary>
public static class DurableTaskBuilderExtensions
{
    /// <summary>Configures the client's options.</summary>
    public static IDurableTaskClientBuilder Configure(this IDurableTaskClientBuilder builder, Action<DurableTaskClientOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure(builder.Name, configure);
        return builder;
    }

    /// <summary>Registers the client itself as a service, not only through <see cref="IDurableTaskClientProvider"/>.</summary>
    public static IDurableTaskClientBuilder RegisterDirectly(this IDurableTaskClientBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddSingleton(services => services.GetRequiredService<IDurableTaskClientProvider>().GetClient(builder.Name));
        return builder;
    }

    /// <summary>
    /// Where Durable Task's client connects to a sidecar: here the database takes its place, which configuration or
    /// <see cref="Backup.Standalone.Durable.PostgresBuilderExtensions.UsePostgres(IDurableTaskClientBuilder, string)"/> names.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="address">The sidecar's address, which is not used.</param>
    public static IDurableTaskClientBuilder UseGrpc(this IDurableTaskClientBuilder builder, string? address = null) => builder;

    /// <summary>Sets the client type to build.</summary>
    public static IDurableTaskClientBuilder UseBuildTarget(this IDurableTaskClientBuilder builder, Type target)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.BuildTarget = target;
        return builder;
    }

    /// <summary>Sets the client type to build.</summary>
    public static IDurableTaskClientBuilder UseBuildTarget<TTarget>(this IDurableTaskClientBuilder builder)
        where TTarget : DurableTaskClient => builder.UseBuildTarget(typeof(TTarget));

    /// <summary>Sets the client type to build and shares the client's converter with its own options type.</summary>
    public static IDurableTaskClientBuilder UseBuildTarget<TTarget, TOptions>(this IDurableTaskClientBuilder builder)
        where TTarget : DurableTaskClient
        where TOptions : DurableTaskClientOptions
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddOptions<TOptions>(builder.Name)
            .PostConfigure<Extensions.Options.IOptionsMonitor<DurableTaskClientOptions>>((options, monitor) =>
            {
                var source = monitor.Get(builder.Name);
                options.DataConverter = source.DataConverter;
                options.DefaultVersion = source.DefaultVersion;
                options.EnableEntitySupport = source.EnableEntitySupport;
            });
        return builder.UseBuildTarget<TTarget>();
    }

    /// <summary>Sets the version of instances scheduled without one.</summary>
    public static IDurableTaskClientBuilder UseDefaultVersion(this IDurableTaskClientBuilder builder, string version) =>
        builder.Configure(options => options.DefaultVersion = version);
}

/// <summary>Registering clients.</summary>
public static class ServiceCollectionExtensions
{
    /// <summary>Adds a client and returns its builder.</summary>
    /// <param name="services">Where to register.</param>
    /// <param name="name">The client's name; null: the default name.</param>
    public static IDurableTaskClientBuilder AddDurableTaskClient(this IServiceCollection services, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return Backup.Standalone.Durable.PostgresClients.Register(services, name ?? string.Empty);
    }

    /// <summary>Adds the default client and makes it a service itself.</summary>
    public static IServiceCollection AddDurableTaskClient(this IServiceCollection services, Action<IDurableTaskClientBuilder> configure) =>
        services.AddDurableTaskClient(string.Empty, configure);

    /// <summary>Adds a client; the default one becomes a service itself.</summary>
    public static IServiceCollection AddDurableTaskClient(
        this IServiceCollection services, string name, Action<IDurableTaskClientBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        var builder = services.AddDurableTaskClient(name);
        configure(builder);
        if (string.IsNullOrEmpty(name))
        {
            builder.RegisterDirectly();
        }

        return services;
    }
}
