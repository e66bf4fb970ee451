using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>The token endpoint that Azure gives a machine with a managed identity, in the form of App Service and Arc (<c>IDENTITY_ENDPOINT</c>).</summary>
internal sealed class ManagedIdentityStub(WebApplication app) : IAsyncDisposable
{
    private const string Secret = "machine-secret";

    /// <summary>What a process needs to find it.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string> { ["IDENTITY_ENDPOINT"] = $"{app.Urls.First()}/token", ["IDENTITY_HEADER"] = Secret };

    /// <summary>The resources tokens were asked for.</summary>
    public ConcurrentQueue<string> Asked { get; } = [];

    /// <summary>So many questions are answered with a fault first.</summary>
    public int Faults { get; set; }

    public static async Task<ManagedIdentityStub> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var stub = new ManagedIdentityStub(builder.Build());
        stub.Serve();
        await stub.StartListeningAsync();
        return stub;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private Task StartListeningAsync() => app.StartAsync();

    private void Serve() => app.MapGet("/token", (HttpRequest request) =>
    {
        if (request.Headers["X-IDENTITY-HEADER"] != Secret)
        {
            return Results.Unauthorized();
        }

        var resource = request.Query["resource"].ToString();
        Asked.Enqueue(resource);
        if (Faults-- > 0)
        {
            return Results.BadRequest(new { statusCode = 400, message = "not yet" });
        }

        var expires = TimeProvider.System.GetUtcNow().AddHours(1).ToUnixTimeSeconds();
        var claims = Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"aud":"https://relay.azure.net","exp":{{expires}}}"""));
        return Results.Json(new { access_token = $"e30.{claims}.unsigned", expires_on = expires.ToString(System.Globalization.CultureInfo.InvariantCulture), resource, token_type = "Bearer" });
    });
}
