using Backup.Standalone.Durable;
using Backup.Standalone.Durable.Store;
using Backup.Standalone.Durable.Workers;
using Backup.Standalone.Http;
using Backup.Standalone.Timers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Middleware;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Converters;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Backup.Standalone.Hosting;

/// <summary>Puts the parts of a functions app together.</summary>
internal static class FunctionsHosting
{
    private const string DefaultUrl = "http://127.0.0.1:7071";

    public static WebApplicationBuilder CreateBuilder(string[] args)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        FuncConfiguration.AddTo(builder.Configuration, AppContext.BaseDirectory);
        ConfigureLogging(builder.Logging);
        ConfigureListening(builder.WebHost, builder.Configuration);
        return builder;
    }

    /// <summary>Adds the services unless they are there, and hands out the builder that adds middleware.</summary>
    public static IFunctionsWorkerApplicationBuilder AddWorker(IServiceCollection services) => new Worker(services, AddServices(services));

    public static FunctionMiddleware AddServices(IServiceCollection services)
    {
        if (services.FirstOrDefault(s => s.ServiceType == typeof(FunctionMiddleware))?.ImplementationInstance is FunctionMiddleware added)
        {
            return added;
        }

        var middleware = new FunctionMiddleware();
        services.AddSingleton(middleware);
        services.AddMvcCore();
        services.AddHttpContextAccessor();
        services.AddHttpClient();
        services.AddProblemDetails();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(new FunctionSources());
        services.AddSingleton(provider => HostSettings.Read(provider.GetRequiredService<IConfiguration>()));
        services.AddSingleton<AccessKeys>();
        services.AddSingleton<PayloadSerializer>();
        services.AddSingleton<AppConverters>();
        services.AddSingleton<ParameterBinder>();
        services.AddSingleton<FunctionInvoker>();
        services.AddSingleton<FunctionCatalog>();
        services.AddSingleton<HttpFunctions>();
        services.AddSingleton<ManagementUrls>();
        services.AddSingleton<EntityApi>();
        services.AddSingleton<ManagementApi>();
        AddDurable(services);
        services.AddSingleton<TimerStore>();
        services.AddHostedService<TimerHost>();
        return middleware;
    }

    public static void UseFunctions(IApplicationBuilder app)
    {
        var services = app.ApplicationServices;
        var logger = services.GetRequiredService<ILoggerFactory>().CreateLogger("Backup.Standalone");
        var settings = services.GetRequiredService<HostSettings>();
        foreach (var unknown in settings.Warnings)
        {
            HostLog.UnknownSetting(logger, unknown);
        }

        HostLog.Found(logger, services.GetRequiredService<FunctionCatalog>().Functions.Count, settings.HubName);
        app.UseRouting();
        app.UseEndpoints(endpoints =>
        {
            services.GetRequiredService<HttpFunctions>().Map(endpoints);
            services.GetRequiredService<ManagementApi>().Map(endpoints);
            endpoints.MapGet("/admin/host/status", (HttpRequest request, AccessKeys keys) =>
                keys.Allows(request, AuthorizationLevel.Admin)
                    ? Results.Json(new { id = settings.HubName, state = "Running", version = typeof(FunctionsHosting).Assembly.GetName().Version?.ToString(3) })
                    : Results.Unauthorized());
        });
    }

    public static IHostBuilder Configure(
        IHostBuilder builder, Action<HostBuilderContext, IFunctionsWorkerApplicationBuilder> configureWorker)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configureWorker);
        return builder
            .ConfigureAppConfiguration((_, configuration) =>
            {
                if (!configuration.Sources.OfType<Microsoft.Extensions.Configuration.EnvironmentVariables.EnvironmentVariablesConfigurationSource>()
                    .Any(s => string.IsNullOrEmpty(s.Prefix)))
                {
                    configuration.AddEnvironmentVariables();
                }

                FuncConfiguration.AddTo(configuration, AppContext.BaseDirectory);
            })
            .ConfigureLogging(ConfigureLogging)
            .ConfigureServices((context, services) => configureWorker(context, AddWorker(services)))
            .ConfigureWebHostDefaults(web => web
                .UseSetting(WebHostDefaults.ServerUrlsKey, Environment.GetEnvironmentVariable("ASPNETCORE_URLS") ?? DefaultUrl)
                .Configure(UseFunctions));
    }

    private static void AddDurable(IServiceCollection services)
    {
        services.TryAddSingleton<DurableHubs>();
        services.AddOptions<DurableStorageOptions>().Configure<HostSettings>((options, settings) => options.HubName = settings.HubName);
        services.AddOptions<DurableTaskWorkerOptions>().Configure<HostSettings>((options, settings) =>
        {
            options.Concurrency.MaximumConcurrentActivityWorkItems = settings.ActivitiesMax ?? 10 * Environment.ProcessorCount;
            options.Concurrency.MaximumConcurrentOrchestrationWorkItems = settings.OrchestrationsMax ?? 10 * Environment.ProcessorCount;
            options.Concurrency.MaximumConcurrentEntityWorkItems = settings.EntitiesMax ?? 10 * Environment.ProcessorCount;
            if (settings.DefaultVersion is not null)
            {
                options.Versioning ??= new DurableTaskWorkerOptions.VersioningOptions { DefaultVersion = settings.DefaultVersion };
            }
        }).PostConfigure<PayloadSerializer, IServiceProvider>((options, serializer, provider) =>
            options.DataConverter = Converter(options.DataConverter, serializer, provider));
        services.AddOptions<DurableTaskClientOptions>()
            .Configure<HostSettings>((options, settings) => options.DefaultVersion = settings.DefaultVersion ?? string.Empty)
            .PostConfigure<PayloadSerializer, IServiceProvider>((options, serializer, provider) =>
                options.DataConverter = Converter(options.DataConverter, serializer, provider));

        services.AddDurableTaskClient().RegisterDirectly();
        services.AddSingleton(new ClientUrls(provider => provider.GetRequiredService<ManagementUrls>()));
        services.AddSingleton<IHostedService>(provider => new PostgresWorker(
            provider,
            provider.GetRequiredService<DurableHubs>().Get(string.Empty),
            provider.GetRequiredService<FunctionCatalog>(),
            provider.GetRequiredService<IOptions<DurableTaskWorkerOptions>>().Value));
    }

    // The worker's serializer, unless the app has set or registered a converter of its own.
    private static DataConverter Converter(DataConverter configured, PayloadSerializer serializer, IServiceProvider services) =>
        configured == JsonDataConverter.Default ? services.GetService<DataConverter>() ?? serializer : configured;

    private static void ConfigureLogging(ILoggingBuilder logging)
    {
        logging.ClearProviders();
        logging.AddJsonConsole(console =>
        {
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
            console.IncludeScopes = false;
        });
        logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
    }

    private static void ConfigureListening(ConfigureWebHostBuilder web, ConfigurationManager configuration)
    {
        var configured = configuration[WebHostDefaults.ServerUrlsKey] ?? configuration["ASPNETCORE_URLS"] ?? configuration["HTTP_PORTS"]
            ?? configuration["HTTPS_PORTS"];
        if (string.IsNullOrEmpty(configured) && !configuration.GetSection("Kestrel:Endpoints").Exists())
        {
            web.UseUrls(DefaultUrl);
        }
    }

    private sealed class Worker(IServiceCollection services, FunctionMiddleware middleware) : IFunctionsWorkerApplicationBuilder
    {
        public IServiceCollection Services => services;

        public IFunctionsWorkerApplicationBuilder Use(Func<FunctionExecutionDelegate, FunctionExecutionDelegate> added)
        {
            middleware.Add(added);
            return this;
        }
    }
}

/// <summary>Events 4300–4399: the host.</summary>
internal static partial class HostLog
{
    [LoggerMessage(4301, LogLevel.Warning, "host.json: this host does not know the setting {Setting}; it is ignored")]
    internal static partial void UnknownSetting(ILogger logger, string setting);

    [LoggerMessage(4302, LogLevel.Information, "Found {FunctionCount} functions; durable hub {Hub}")]
    internal static partial void Found(ILogger logger, int functionCount, string hub);
}
