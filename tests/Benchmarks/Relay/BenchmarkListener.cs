using System.Globalization;
using System.Net;
using Backup.AgentApi;
using Backup.Relay;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Backup.Benchmarks.Relay;

/// <summary>The listener's process: <c>relay listener HANDLER FOLDER ENDPOINT</c>. Ends with its standard input.</summary>
internal static class BenchmarkListener
{
    public static async Task<int> RunAsync(string[] arguments)
    {
        var processes = RelayProcesses.OfFolder(arguments[1], RelayEndpoint.Parse(arguments[2]));
        if (arguments[0] == "direct") return await ServeDirectlyAsync(processes);
        using var stop = new CancellationTokenSource();
        using var listener = processes.NewListener(RelayProcesses.Entity, arguments[0] switch
        {
            "echo" => EchoAsync,
            "sealed" => Sealed(processes),
            "bodies" => BodiesAsync,
            var other => throw new ArgumentException($"No handler {other}."),
        });
        var running = listener.RunAsync(stop.Token);
        await listener.WaitUntilOnlineAsync(CancellationToken.None);
        Console.WriteLine("listening 0");
        await Console.In.ReadToEndAsync();
        await stop.CancelAsync();
        await running;
        return 0;
    }

    private static async Task<int> ServeDirectlyAsync(RelayProcesses processes)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddLogging();
        using var certificate = processes.Certificate();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, endpoint =>
        {
            endpoint.Protocols = HttpProtocols.Http1;
            endpoint.UseHttps(certificate);
        }));
        await using var app = builder.Build();
        app.Run(async context =>
        {
            var body = new byte[(int)context.Request.ContentLength!];
            await context.Request.Body.ReadExactlyAsync(body);
            context.Response.ContentLength = body.Length;
            await context.Response.Body.WriteAsync(body);
        });
        await app.StartAsync();
        Console.WriteLine($"listening {new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port}");
        await Console.In.ReadToEndAsync();
        return 0;
    }

    private static async Task<RelayResponse> EchoAsync(RelayRequest request, CancellationToken cancel) =>
        RelayResponse.FromBytes(200, await request.ReadBodyAsync(64 * 1024, cancel));

    private static RelayHandler Sealed(RelayProcesses processes)
    {
        var opener = new OrderOpener(PrivateIdentity.Load(processes.AgentFile), PrivateIdentity.Load(processes.ControlPlaneFile).Public, TimeProvider.System);
        var health = new AgentHealth { Agent = "agent", Version = "0", StartedAt = TimeProvider.System.GetUtcNow(), Now = TimeProvider.System.GetUtcNow() };
        return async (request, cancel) => RelayResponse.FromBytes(200, opener.SealAnswer(opener.Open(await request.ReadBodyAsync(64 * 1024, cancel)), health));
    }

    private static async Task<RelayResponse> BodiesAsync(RelayRequest request, CancellationToken cancel) => request.Method == "GET"
        ? RelayResponse.FromStream(200, new ZeroStream(long.Parse(request.Target.Query["count=".Length..], CultureInfo.InvariantCulture)))
        : RelayResponse.FromBytes(200, BitConverter.GetBytes(await ZeroStream.CountAsync(request.Body, cancel)));
}
