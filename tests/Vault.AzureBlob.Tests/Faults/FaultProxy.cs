using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Backup.Vault.AzureBlob.Tests.Faults;

/// <summary>What goes wrong with a request.</summary>
internal enum ProxyFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>An error instead of an answer; the server never sees the request.</summary>
    Error,

    /// <summary>The server does it, and an error is answered all the same.</summary>
    LostAnswer,

    /// <summary>A conflict that the server never spoke of.</summary>
    FalseConflict,

    /// <summary>The connection ends without an answer.</summary>
    Abort,

    /// <summary>The server gets half of the body.</summary>
    CutRequest,

    /// <summary>The client gets half of the body.</summary>
    CutAnswer,

    /// <summary>It takes its time.</summary>
    Slow,
}

/// <summary>Stands in front of Azurite and does to requests what a script says, and otherwise passes them on byte for byte.</summary>
internal sealed class FaultProxy : IAsyncDisposable
{
    private static readonly int[] Errors = [500, 503];
    private static readonly (int Status, string Code)[] Conflicts = [(409, "BlobBeingRehydrated"), (409, "BlobAlreadyExists"), (412, "ConditionNotMet")];

    private readonly WebApplication _app;
    private readonly Uri _target;
    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });
    private int _requests, _faults;

    private FaultProxy(WebApplication app, Uri target) => (_app, _target) = (app, target);

    /// <summary>What to do with the request of that number; by default nothing.</summary>
    public Func<HttpRequest, int, ProxyFault> Script { get; set; } = (_, _) => ProxyFault.None;

    /// <summary>How often each blob was created, as the server said.</summary>
    public ConcurrentDictionary<string, int> Created { get; } = [];

    public int Requests => Volatile.Read(ref _requests);

    public int Faults => Volatile.Read(ref _faults);

    public static async Task<FaultProxy> StartAsync(Uri blobEndpoint)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options => options.Limits.MaxRequestBodySize = null).UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var proxy = new FaultProxy(app, blobEndpoint);
        app.Run(proxy.ForwardAsync);
        await app.StartAsync();
        return proxy;
    }

    /// <summary>The same place, reached through this proxy.</summary>
    public BlobLocation Through(BlobLocation location)
    {
        var own = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        return BlobLocation.Parse(location.ToString().Replace(_target.Authority, own.Authority, StringComparison.Ordinal));
    }

    /// <summary>A script that fails a share of the requests at random.</summary>
    public static Func<HttpRequest, int, ProxyFault> AtRandom(int seed, double share)
    {
        var random = new Random(seed);
        var kinds = Enum.GetValues<ProxyFault>().Where(f => f != ProxyFault.None).ToArray();
        return (_, _) =>
        {
            lock (random)
            {
                return random.NextDouble() < share ? kinds[random.Next(kinds.Length)] : ProxyFault.None;
            }
        };
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _client.Dispose();
    }

    private async Task ForwardAsync(HttpContext context)
    {
        var number = Interlocked.Increment(ref _requests);
        var fault = Script(context.Request, number);
        if (fault is not ProxyFault.None)
        {
            Interlocked.Increment(ref _faults);
        }

        switch (fault)
        {
            case ProxyFault.Error:
                await RefuseAsync(context, Errors[number % Errors.Length], "ServerBusy");
                return;
            case ProxyFault.FalseConflict when context.Request.Method == HttpMethods.Put:
                var (status, code) = Conflicts[number % Conflicts.Length];
                await RefuseAsync(context, status, code);
                return;
            case ProxyFault.Abort:
                context.Abort();
                return;
            case ProxyFault.Slow:
                await Task.Delay(TimeSpan.FromMilliseconds(150), context.RequestAborted);
                break;
        }

        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        try
        {
            using var answer = await _client.SendAsync(Copy(context.Request, body.ToArray(), fault is ProxyFault.CutRequest && body.Length > 1), context.RequestAborted);
            await AnswerAsync(context, answer, fault);
        }
        catch (HttpRequestException)
        {
            context.Abort();
        }
    }

    private async Task AnswerAsync(HttpContext context, HttpResponseMessage answer, ProxyFault fault)
    {
        if (answer.StatusCode == HttpStatusCode.Created && context.Request.Query["comp"] != "block" && context.Request.Query["restype"] != "container")
        {
            Created.AddOrUpdate(context.Request.Path, 1, (_, n) => n + 1);
        }

        var content = await answer.Content.ReadAsByteArrayAsync(context.RequestAborted);
        if (fault is ProxyFault.LostAnswer)
        {
            await RefuseAsync(context, 500, "InternalError");
            return;
        }

        context.Response.StatusCode = (int)answer.StatusCode;
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers).Where(h => h.Key is not ("Transfer-Encoding" or "Connection" or "Keep-Alive")))
        {
            context.Response.Headers[name] = values.ToArray();
        }

        if (context.Request.Method != HttpMethods.Head)
        {
            context.Response.ContentLength = content.Length;
            var sent = fault is ProxyFault.CutAnswer && content.Length > 1 ? content.AsMemory(0, content.Length / 2) : content;
            await context.Response.Body.WriteAsync(sent, context.RequestAborted);
            if (sent.Length < content.Length)
            {
                await context.Response.Body.FlushAsync(context.RequestAborted);
                context.Abort();
            }
        }
    }

    private HttpRequestMessage Copy(HttpRequest request, byte[] body, bool isCut)
    {
        var copy = new HttpRequestMessage(new HttpMethod(request.Method), new Uri($"{_target.GetLeftPart(UriPartial.Authority)}{request.Path.ToUriComponent()}{request.QueryString}"));
        if (request.ContentLength is not null)
        {
            copy.Content = isCut ? new CutContent(body) : new ByteArrayContent(body);
        }

        foreach (var (name, values) in request.Headers.Where(h => h.Key is not ("Host" or "Content-Length" or "Connection" or "Expect")))
        {
            if (!copy.Headers.TryAddWithoutValidation(name, values.ToArray()))
            {
                copy.Content?.Headers.TryAddWithoutValidation(name, values.ToArray());
            }
        }

        return copy;
    }

    private static async Task RefuseAsync(HttpContext context, int status, string code)
    {
        // What was sent is taken in first, as a server does that refuses after reading.
        await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
        context.Response.StatusCode = status;
        context.Response.Headers["x-ms-error-code"] = code;
        context.Response.ContentType = "application/xml";
        await context.Response.WriteAsync($"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>The proxy says so.</Message></Error>", context.RequestAborted);
    }

    /// <summary>Promises the whole body and sends half of it.</summary>
    private sealed class CutContent(byte[] body) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(body.AsMemory(0, body.Length / 2));
            throw new HttpRequestException("cut");
        }

        protected override bool TryComputeLength(out long length)
        {
            length = body.Length;
            return true;
        }
    }
}
