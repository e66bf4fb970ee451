using Backup.Standalone.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Azure.Functions.Worker.Middleware;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Microsoft.Azure.Functions.Worker
{
    /// <summary>Where the worker's services and middleware are registered.</summary>
    public interface IFunctionsWorkerApplicationBuilder
    {
        /// <summary>The services.</summary>
        IServiceCollection Services { get; }

        /// <summary>Adds middleware; the first added is the outermost.</summary>
        IFunctionsWorkerApplicationBuilder Use(Func<FunctionExecutionDelegate, FunctionExecutionDelegate> middleware);
    }
}

namespace Microsoft.Azure.Functions.Worker.Builder
{
    /// <summary>A functions app.</summary>
    public class FunctionsApplication
    {
        /// <summary>Begins to build an app with the usual configuration, logging and services.</summary>
        public static FunctionsApplicationBuilder CreateBuilder(string[] args) => new(args);
    }

    /// <summary>Builds a functions app.</summary>
    public class FunctionsApplicationBuilder : IHostApplicationBuilder, IFunctionsWorkerApplicationBuilder
    {
        private readonly WebApplicationBuilder _inner;
        private readonly FunctionMiddleware _middleware;

        internal FunctionsApplicationBuilder(string[] args)
        {
            _inner = FunctionsHosting.CreateBuilder(args);
            _middleware = FunctionsHosting.AddServices(_inner.Services);
        }

        /// <inheritdoc/>
        public IDictionary<object, object> Properties => ((IHostApplicationBuilder)_inner).Properties;

        /// <summary>The configuration: host.json, local.settings.json, environment, command line.</summary>
        public ConfigurationManager Configuration => _inner.Configuration;

        IConfigurationManager IHostApplicationBuilder.Configuration => _inner.Configuration;

        /// <inheritdoc/>
        public IHostEnvironment Environment => _inner.Environment;

        /// <inheritdoc/>
        public ILoggingBuilder Logging => _inner.Logging;

        /// <inheritdoc/>
        public IMetricsBuilder Metrics => _inner.Metrics;

        /// <inheritdoc cref="IHostApplicationBuilder.Services"/>
        public IServiceCollection Services => _inner.Services;

        /// <summary>Builds the app. Function discovery and configuration errors show when it starts.</summary>
        public IHost Build()
        {
            var app = _inner.Build();
            FunctionsHosting.UseFunctions(app);
            return app;
        }

        /// <inheritdoc/>
        public void ConfigureContainer<TContainerBuilder>(
            IServiceProviderFactory<TContainerBuilder> factory, Action<TContainerBuilder>? configure = null)
            where TContainerBuilder : notnull => ((IHostApplicationBuilder)_inner).ConfigureContainer(factory, configure);

        /// <inheritdoc/>
        public IFunctionsWorkerApplicationBuilder Use(Func<FunctionExecutionDelegate, FunctionExecutionDelegate> middleware)
        {
            _middleware.Add(middleware);
            return this;
        }
    }

    /// <summary>ASP.NET Core integration.</summary>
    public static class FunctionsApplicationBuilderAspNetCoreExtensions
    {
        /// <summary>Serves HTTP functions with ASP.NET Core's types. The standalone host always does.</summary>
        public static FunctionsApplicationBuilder ConfigureFunctionsWebApplication(this FunctionsApplicationBuilder builder)
        {
            ArgumentNullException.ThrowIfNull(builder);
            return builder;
        }
    }
}

namespace Microsoft.Extensions.Hosting
{
    /// <summary>Building a functions app on a host builder.</summary>
    public static class FunctionsHostBuilderExtensions
    {
        /// <summary>Makes the host a functions app with ASP.NET Core's types.</summary>
        public static IHostBuilder ConfigureFunctionsWebApplication(this IHostBuilder builder) =>
            builder.ConfigureFunctionsWebApplication((_, _) => { });

        /// <summary>Makes the host a functions app with ASP.NET Core's types.</summary>
        public static IHostBuilder ConfigureFunctionsWebApplication(
            this IHostBuilder builder, Action<Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder> configureWorker) =>
            builder.ConfigureFunctionsWebApplication((_, worker) => configureWorker(worker));

        /// <summary>Makes the host a functions app with ASP.NET Core's types.</summary>
        public static IHostBuilder ConfigureFunctionsWebApplication(
            this IHostBuilder builder, Action<HostBuilderContext, Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder> configureWorker) =>
            FunctionsHosting.Configure(builder, configureWorker);
    }

    /// <summary>Building a functions app on a host builder without naming ASP.NET Core. The standalone host serves both alike.</summary>
    public static class WorkerHostBuilderExtensions
    {
        /// <summary>Makes the host a functions app.</summary>
        public static IHostBuilder ConfigureFunctionsWorkerDefaults(this IHostBuilder builder) => builder.ConfigureFunctionsWebApplication();

        /// <summary>Makes the host a functions app.</summary>
        public static IHostBuilder ConfigureFunctionsWorkerDefaults(
            this IHostBuilder builder, Action<Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder> configure) =>
            builder.ConfigureFunctionsWebApplication(configure);

        /// <summary>Makes the host a functions app.</summary>
        public static IHostBuilder ConfigureFunctionsWorkerDefaults(
            this IHostBuilder builder, Action<HostBuilderContext, Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder> configure) =>
            builder.ConfigureFunctionsWebApplication(configure);

        /// <summary>Makes the host a functions app with worker options.</summary>
        public static IHostBuilder ConfigureFunctionsWorkerDefaults(
            this IHostBuilder builder,
            Action<Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder> configure,
            Action<Azure.Functions.Worker.WorkerOptions>? configureOptions) =>
            builder.ConfigureFunctionsWorkerDefaults((_, worker) => configure(worker), configureOptions);

        /// <summary>Makes the host a functions app with worker options.</summary>
        public static IHostBuilder ConfigureFunctionsWorkerDefaults(
            this IHostBuilder builder, Action<Azure.Functions.Worker.WorkerOptions> configureOptions) =>
            builder.ConfigureFunctionsWorkerDefaults((_, _) => { }, configureOptions);

        /// <summary>Makes the host a functions app with worker options.</summary>
        public static IHostBuilder ConfigureFunctionsWorkerDefaults(
            this IHostBuilder builder,
            Action<HostBuilderContext, Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder> configure,
            Action<Azure.Functions.Worker.WorkerOptions>? configureOptions) => builder.ConfigureFunctionsWebApplication((context, worker) =>
            {
                worker.Services.Configure(configureOptions ?? (_ => { }));
                configure(context, worker);
            });
    }

    /// <summary>Building a functions app on a host builder step by step.</summary>
    public static class CoreWorkerHostBuilderExtensions
    {
        /// <summary>Makes the host a functions app with worker options.</summary>
        public static IHostBuilder ConfigureFunctionsWorker(
            this IHostBuilder builder,
            Action<HostBuilderContext, Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder> configure,
            Action<Azure.Functions.Worker.WorkerOptions> configureOptions) => builder.ConfigureFunctionsWorkerDefaults(configure, configureOptions);

        /// <summary>Runs what the Functions SDK has generated into the entry assembly; the standalone host itself needs none of it.</summary>
        public static IHostBuilder InvokeAutoGeneratedConfigureMethods(this IHostBuilder builder)
        {
            foreach (var type in (System.Reflection.Assembly.GetEntryAssembly()?.GetTypes() ?? [])
                .Where(t => !t.IsAbstract && typeof(Azure.Functions.Worker.IAutoConfigureStartup).IsAssignableFrom(t)))
            {
                ((Azure.Functions.Worker.IAutoConfigureStartup)Activator.CreateInstance(type)!).Configure(builder);
            }

            return builder;
        }
    }

    /// <summary>Adding middleware.</summary>
    public static class MiddlewareWorkerApplicationBuilderExtensions
    {
        /// <summary>Adds middleware of this type; it is made by dependency injection, once.</summary>
        public static Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder UseMiddleware<T>(
            this Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder builder)
            where T : class, IFunctionsWorkerMiddleware => builder.UseWhen<T>(_ => true);

        /// <summary>Adds middleware of this type for the invocations a predicate names.</summary>
        public static Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder UseWhen<T>(
            this Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder builder,
            Func<Azure.Functions.Worker.FunctionContext, bool> predicate)
            where T : class, IFunctionsWorkerMiddleware
        {
            ArgumentNullException.ThrowIfNull(builder);
            ArgumentNullException.ThrowIfNull(predicate);
            builder.Services.AddSingleton<T>();
            return builder.Use(next => context => predicate(context)
                ? context.InstanceServices.GetRequiredService<T>().Invoke(context, next)
                : next(context));
        }

        /// <summary>The end of the pipeline, which the standalone host adds by itself.</summary>
        public static Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder UseDefaultWorkerMiddleware(
            this Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder builder) => builder;

        /// <summary>The end of the pipeline, which the standalone host adds by itself.</summary>
        public static Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder UseFunctionExecutionMiddleware(
            this Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder builder) => builder;

        /// <summary>The end of the pipeline, which the standalone host adds by itself.</summary>
        public static Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder UseOutputBindingsMiddleware(
            this Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder builder) => builder;

        /// <summary>Adds middleware made of a function.</summary>
        public static Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder UseMiddleware(
            this Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder builder,
            Func<Azure.Functions.Worker.FunctionContext, Func<Task>, Task> middleware) => builder.UseWhen(_ => true, middleware);

        /// <summary>Adds middleware made of a function for the invocations a predicate names.</summary>
        public static Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder UseWhen(
            this Azure.Functions.Worker.IFunctionsWorkerApplicationBuilder builder,
            Func<Azure.Functions.Worker.FunctionContext, bool> predicate,
            Func<Azure.Functions.Worker.FunctionContext, Func<Task>, Task> middleware)
        {
            ArgumentNullException.ThrowIfNull(builder);
            ArgumentNullException.ThrowIfNull(predicate);
            ArgumentNullException.ThrowIfNull(middleware);
            return builder.Use(next => context => predicate(context) ? middleware(context, () => next(context)) : next(context));
        }
    }
}
