using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Middleware;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Backup.Standalone.Hosting;

/// <summary>Puts the parts of a functions app together.</summary>
internal static class FunctionsHosting
{
    public static WebApplicationBuilder CreateBuilder(string[] args) =>
        WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });

    public static FunctionMiddleware AddServices(IServiceCollection services)
    {
        var middleware = new FunctionMiddleware();
        services.AddSingleton(middleware);
        return middleware;
    }

    public static void UseFunctions(IApplicationBuilder app) => app.UseRouting();

    public static IHostBuilder Configure(
        IHostBuilder builder, Action<HostBuilderContext, IFunctionsWorkerApplicationBuilder> configureWorker)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configureWorker);
        return builder
            .ConfigureServices((context, services) => configureWorker(context, new Worker(services, AddServices(services))))
            .ConfigureWebHostDefaults(web => web.Configure(UseFunctions));
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
