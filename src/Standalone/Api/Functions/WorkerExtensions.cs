using Microsoft.Extensions.Hosting;

namespace Microsoft.Azure.Functions.Worker.Core
{
    /// <summary>Registers the services of an extension.</summary>
    public abstract class WorkerExtensionStartup
    {
        /// <summary>Registers them.</summary>
        public abstract void Configure(IFunctionsWorkerApplicationBuilder applicationBuilder);
    }

    /// <summary>Names the startup class of an extension's assembly.</summary>
    [AttributeUsage(AttributeTargets.Assembly)]
    public sealed class WorkerExtensionStartupAttribute : Attribute
    {
        /// <summary>Names it.</summary>
        public WorkerExtensionStartupAttribute(Type workerExtensionStartupType) => StartupType = workerExtensionStartupType;

        /// <summary>The class.</summary>
        public Type StartupType { get; }
    }
}

namespace Microsoft.Azure.Functions.Worker.Extensions.DurableTask
{
    /// <summary>Registers durable functions; the standalone host always has them, so there is nothing left to do.</summary>
    public sealed class DurableTaskExtensionStartup : Core.WorkerExtensionStartup
    {
        /// <inheritdoc/>
        public override void Configure(IFunctionsWorkerApplicationBuilder applicationBuilder) => ArgumentNullException.ThrowIfNull(applicationBuilder);
    }
}

namespace Microsoft.Azure.Functions.Worker
{
    /// <summary>Code that the Functions SDK generates to configure a host.</summary>
    public interface IAutoConfigureStartup
    {
        /// <summary>Configures the host.</summary>
        void Configure(IHostBuilder hostBuilder);
    }

    /// <summary>An invocation as the Functions host names it.</summary>
    public abstract class FunctionInvocation
    {
        /// <summary>The invocation's id.</summary>
        public abstract string Id { get; }

        /// <summary>The function's id.</summary>
        public abstract string FunctionId { get; }

        /// <summary>The trace it belongs to.</summary>
        public abstract TraceContext TraceContext { get; }
    }

    /// <summary>A value that a function puts out besides its result, as middleware sees it.</summary>
    public abstract class OutputBindingData<T>
    {
        /// <summary>The binding's type.</summary>
        public abstract string BindingType { get; }

        /// <summary>The binding's name.</summary>
        public abstract string Name { get; }

        /// <summary>The value; middleware may replace it.</summary>
        public abstract T? Value { get; set; }
    }

    /// <summary>Runs a functions app with nothing but services to configure.</summary>
    public static class FunctionsWorkerHost
    {
        /// <summary>Runs the app until it is stopped.</summary>
        public static void RunDefault(Action<Microsoft.Extensions.DependencyInjection.IServiceCollection>? configureServices = null) =>
            Build(configureServices).Run();

        /// <summary>Runs the app until it is stopped.</summary>
        public static Task RunDefaultAsync(Action<Microsoft.Extensions.DependencyInjection.IServiceCollection>? configureService = null) =>
            Build(configureService).RunAsync();

        private static IHost Build(Action<Microsoft.Extensions.DependencyInjection.IServiceCollection>? configureServices)
        {
            var builder = Microsoft.Azure.Functions.Worker.Builder.FunctionsApplication.CreateBuilder([]);
            configureServices?.Invoke(builder.Services);
            return builder.Build();
        }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    using Backup.Standalone.Hosting;
    using Microsoft.Azure.Functions.Worker;

    /// <summary>Adding a functions app to services. Without a web server it serves timers and durable functions only.</summary>
    public static class ServiceCollectionExtensions
    {
        /// <summary>Adds the app's services.</summary>
        public static IFunctionsWorkerApplicationBuilder AddFunctionsWorkerDefaults(
            this IServiceCollection services, Action<WorkerOptions>? configure = null) => services.AddFunctionsWorkerCore(configure);

        /// <summary>Adds the app's services.</summary>
        public static IFunctionsWorkerApplicationBuilder AddFunctionsWorkerCore(
            this IServiceCollection services, Action<WorkerOptions>? configure = null)
        {
            ArgumentNullException.ThrowIfNull(services);
            if (configure is not null)
            {
                services.Configure(configure);
            }

            return FunctionsHosting.AddWorker(services);
        }
    }
}
