using Backup.Standalone.Durable;
using Backup.Standalone.TestHost;
using Microsoft.DurableTask.Worker;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

// A worker process for tests that kill and pause it. The connection string comes from the environment, as in production.
var builder = Host.CreateApplicationBuilder(args);
builder.Logging.ClearProviders().AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Warning);
builder.Services.AddDurableTaskWorker(worker => worker.AddTasks(Shapes.Add).UsePostgres(storage =>
{
    storage.Lease = TimeSpan.FromSeconds(double.Parse(args.FirstOrDefault() ?? "15", System.Globalization.CultureInfo.InvariantCulture));
    storage.AttemptsMax = 1_000;
}));
using var host = builder.Build();
await host.StartAsync();
Console.WriteLine("worker ready");
await host.WaitForShutdownAsync();
