using System.Collections.Concurrent;
using Backup.AgentApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>The two addresses of a control plane that an enrolment uses, and everything that was sent to them.</summary>
internal sealed class StubControlPlane(WebApplication app, PrivateIdentity identity) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, string> _used = [];

    public Uri Address => new(app.Urls.First());

    public ConcurrentQueue<string> Seen { get; } = [];

    public PublicIdentity? Pinned { get; private set; }

    /// <summary>Answers to good requests are lost this many times.</summary>
    public int AnswersToLose { get; set; }

    public EnrolmentCode Code { get; } = EnrolmentCode.Create(identity.Public);

    public static async Task<StubControlPlane> StartAsync(PrivateIdentity identity, PrivateIdentity? served = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var stub = new StubControlPlane(builder.Build(), identity);
        stub.Serve(served ?? identity);
        await stub.StartListeningAsync();
        return stub;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private Task StartListeningAsync() => app.StartAsync();

    private void Serve(PrivateIdentity served)
    {
        app.Use(async (context, next) =>
        {
            Seen.Enqueue($"{context.Request.Path}{context.Request.QueryString} {string.Join(' ', context.Request.Headers.Select(h => $"{h.Key}: {h.Value}"))}");
            await next();
        });
        app.MapGet("/api/enrolment", () => Results.Text(served.Public.Export()));
        app.MapPost("/api/enrolment", async (HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            var asked = OpenedEnrolment.Open(identity, body.ToArray());
            if (asked.Id != Code.Id || asked.SecretHash != Code.SecretHash || _used.GetOrAdd(asked.Id, asked.Agent.KeyId.ToString()) != asked.Agent.KeyId.ToString())
            {
                return Results.Problem("Ask for a new code.", statusCode: 403, title: "The enrolment code is wrong.");
            }

            Pinned = asked.Agent;
            return AnswersToLose-- > 0 ? Results.Problem("later", statusCode: 503, title: "The answer was lost.") : Results.Bytes(asked.SealWelcome([identity.Public]));
        });
    }
}
