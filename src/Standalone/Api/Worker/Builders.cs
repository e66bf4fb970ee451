using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Microsoft.DurableTask.Worker;

/// <summary>Builds a worker.</summary>
public interface IDurableTaskWorkerBuilder
{
    /// <summary>The worker's name.</summary>
    string Name { get; }

    /// <summary>Where services are registered.</summary>
    IServiceCollection Services { get; }

    /// <summary>The hosted service to build; null: the PostgreSQL worker of this assembly.</summary>
    Type? BuildTarget { get; set; }

    /// <summary>Builds the worker.</summary>
    IHostedService Build(IServiceProvider serviceProvider);
}

/// <summary>The usual worker builder.</summary>
public class DefaultDurableTaskWorkerBuilder : IDurableTaskWorkerBuilder
{
    private Type? _buildTarget;

    /// <summary>A builder of a worker.</summary>
    /// <param name="name">The worker's name; null: the default name.</param>
    /// <param name="services">Where services are registered.</param>
    public DefaultDurableTaskWorkerBuilder(string? name, IServiceCollection services)
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
            if (value is not null && (value.IsAbstract || !typeof(IHostedService).IsAssignableFrom(value)))
            {
                throw new ArgumentException($"{value} is not a concrete {nameof(IHostedService)}.", nameof(value));
            }

            _buildTarget = value;
        }
    }

    /// <inheritdoc/>
    public IHostedService Build(IServiceProvider serviceProvider) => BuildTarget is null
        ? Backup.Standalone.Durable.PostgresWorkers.Create(serviceProvider, Name)
        : (IHostedService)ActivatorUtilities.CreateInstance(serviceProvider, BuildTarget, Name);
}

/// <summary>Configuring workers.</summary>
public static class DurableTaskWorkerBuilderExtensions
{
    /// <summary>Adds orchestrators and activities.</summary>
    public static IDurableTaskWorkerBuilder AddTasks(this IDurableTaskWorkerBuilder builder, Action<DurableTaskRegistry> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure(builder.Name, configure);
        return builder;
    }

    /// <summary>Configures the worker's options.</summary>
    public static IDurableTaskWorkerBuilder Configure(this IDurableTaskWorkerBuilder builder, Action<DurableTaskWorkerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure(builder.Name, configure);
        return builder;
    }

    /// <summary>Sets which versions the worker takes.</summary>
    public static IDurableTaskWorkerBuilder UseVersioning(
        this IDurableTaskWorkerBuilder builder, DurableTaskWorkerOptions.VersioningOptions versionOptions) =>
        builder.Configure(options => options.Versioning = versionOptions);

    /// <summary>Sets the hosted service to build instead of the PostgreSQL worker.</summary>
    public static IDurableTaskWorkerBuilder UseBuildTarget(this IDurableTaskWorkerBuilder builder, Type target)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.BuildTarget = target;
        return builder;
    }

    /// <summary>Sets the hosted service to build instead of the PostgreSQL worker.</summary>
    public static IDurableTaskWorkerBuilder UseBuildTarget<TTarget>(this IDurableTaskWorkerBuilder builder)
        where TTarget : DurableTaskWorker => builder.UseBuildTarget(typeof(TTarget));

    /// <summary>Sets the hosted service to build and shares the worker's options with its own options type.</summary>
    public static IDurableTaskWorkerBuilder UseBuildTarget<TTarget, TOptions>(this IDurableTaskWorkerBuilder builder)
        where TTarget : DurableTaskWorker
        where TOptions : DurableTaskWorkerOptions
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddOptions<TOptions>(builder.Name)
            .PostConfigure<Extensions.Options.IOptionsMonitor<DurableTaskWorkerOptions>>((options, monitor) =>
            {
                var source = monitor.Get(builder.Name);
                options.DataConverter = source.DataConverter;
                options.EnableEntitySupport = source.EnableEntitySupport;
                options.MaximumTimerInterval = source.MaximumTimerInterval;
                options.Versioning = source.Versioning;
                options.OrchestrationFilter = source.OrchestrationFilter;
            });
        return builder.UseBuildTarget<TTarget>();
    }

    /// <summary>Makes the worker take only the work it has tasks for, so that workers with different tasks may share a hub.</summary>
    public static IDurableTaskWorkerBuilder UseWorkItemFilters(this IDurableTaskWorkerBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure<Backup.Standalone.Durable.WorkFilterChoice>(builder.Name, choice => choice.FromRegistry());
        return builder;
    }

    /// <summary>Makes the worker take only some work; null: all.</summary>
    public static IDurableTaskWorkerBuilder UseWorkItemFilters(
        this IDurableTaskWorkerBuilder builder, DurableTaskWorkerWorkItemFilters? workItemFilters)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Configure<Backup.Standalone.Durable.WorkFilterChoice>(builder.Name, choice => choice.Set(workItemFilters));
        return builder;
    }

    /// <summary>
    /// Where Durable Task's worker connects to a sidecar: here the database takes its place, which configuration or
    /// <see cref="Backup.Standalone.Durable.PostgresBuilderExtensions.UsePostgres(IDurableTaskWorkerBuilder, string)"/> names.
    /// </summary>
    /// <param name="builder">The builder.</param>
    /// <param name="address">The sidecar's address, which is not used.</param>
    public static IDurableTaskWorkerBuilder UseGrpc(this IDurableTaskWorkerBuilder builder, string? address = null) => builder;

    /// <summary>Refuses orchestrations before they run.</summary>
    public static IDurableTaskWorkerBuilder UseOrchestrationFilter(this IDurableTaskWorkerBuilder builder, IOrchestrationFilter filter) =>
        builder.Configure(options => options.OrchestrationFilter = filter);

    /// <summary>Refuses orchestrations before they run.</summary>
    public static IDurableTaskWorkerBuilder UseOrchestrationFilter<TOrchestrationFilter>(this IDurableTaskWorkerBuilder builder)
        where TOrchestrationFilter : class, IOrchestrationFilter
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddSingleton<TOrchestrationFilter>();
        builder.Services.AddOptions<DurableTaskWorkerOptions>(builder.Name)
            .Configure<TOrchestrationFilter>((options, filter) => options.OrchestrationFilter = filter);
        return builder;
    }
}

/// <summary>Registering workers.</summary>
public static class ServiceCollectionExtensions
{
    /// <summary>Adds a worker, which runs as a hosted service, and returns its builder.</summary>
    /// <param name="services">Where to register.</param>
    /// <param name="name">The worker's name; null: the default name.</param>
    public static IDurableTaskWorkerBuilder AddDurableTaskWorker(this IServiceCollection services, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return Backup.Standalone.Durable.PostgresWorkers.Register(services, name ?? string.Empty);
    }

    /// <summary>Adds the default worker.</summary>
    public static IServiceCollection AddDurableTaskWorker(this IServiceCollection services, Action<IDurableTaskWorkerBuilder> configure) =>
        services.AddDurableTaskWorker(string.Empty, configure);

    /// <summary>Adds a worker.</summary>
    public static IServiceCollection AddDurableTaskWorker(
        this IServiceCollection services, string name, Action<IDurableTaskWorkerBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        configure(services.AddDurableTaskWorker(name));
        return services;
    }
}
