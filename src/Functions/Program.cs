using Backup.Functions.Startup;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.Hosting;

FunctionsApplicationBuilder builder = FunctionsApplication.CreateBuilder(args);
builder.ConfigureFunctionsWebApplication();
try
{
    await builder.Services.AddControlPlaneAsync(builder.Configuration);
    var host = builder.Build();
    await ControlPlane.PrepareAsync(host.Services);
    host.Run();
    return 0;
}
catch (Exception e) when (ControlPlane.IsStartProblem(e))
{
    // Wrong settings, a wrong policy or no catalog: nothing was started, and a person has to read this.
    await Console.Error.WriteLineAsync(e.Message);
    return 1;
}
