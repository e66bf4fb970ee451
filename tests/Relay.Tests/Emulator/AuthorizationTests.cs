using System.Net;
using System.Text;
using Backup.Relay.Emulator;
using Shouldly;

namespace Backup.Relay.Tests.Emulator;

public sealed class AuthorizationTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Listen_IsRefusedInTheDocumentedOrder()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var hyco = RelayTestBed.Hyco;
        var nowhere = EntityPath.Parse("nowhere");
        await RefusedAsync(bed, hyco, null, 401, "token is missing");
        await RefusedAsync(bed, hyco, "SharedAccessSignature nonsense", 401, "malformed");
        await RefusedAsync(bed, hyco, bed.Token("listen", "wrong", hyco), 401, "token has an invalid signature");
        await RefusedAsync(bed, hyco, bed.Token("nobody", RelayTestBed.ListenKey, hyco), 401, "token has an invalid signature");
        await RefusedAsync(bed, hyco, bed.Token("listen", RelayTestBed.ListenKey, hyco, bed.Clock.GetUtcNow().AddSeconds(-1)), 401, "expired");
        await RefusedAsync(bed, hyco, bed.Token("send", RelayTestBed.SendKey, hyco), 403, "Listen");
        await RefusedAsync(bed, hyco, bed.Token("listen", RelayTestBed.ListenKey, RelayTestBed.Open), 403, "another path");
        await RefusedAsync(bed, hyco, SasToken.Create("http://elsewhere/", "listen", RelayTestBed.ListenKey, DateTimeOffset.MaxValue.AddDays(-1)), 401, "another namespace");
        await RefusedAsync(bed, nowhere, bed.Token("listen", "wrong", nowhere), 401, "invalid signature");
        await RefusedAsync(bed, nowhere, bed.Token("listen", RelayTestBed.ListenKey, nowhere), 404, "Endpoint does not exist");
        await RefusedAsync(bed, hyco, "Bearer e30.e30.x", 401, "Entra");
    }

    [Theory]
    [InlineData("http://localhost/site/agent7/")]
    [InlineData("http://LOCALHOST:5443/SITE/Agent7")]
    [InlineData("sb://localhost/site")]
    [InlineData("http://localhost/")]
    [InlineData("https://localhost/site/%61gent7")]
    public async Task Audience_InAnyOfItsForms_IsAccepted(string audience)
    {
        await using var bed = await RelayTestBed.StartAsync();
        using var socket = await bed.DialAsync($"{RelayTestBed.Hyco}?sb-hc-action=listen", SasToken.Create(audience, "listen", RelayTestBed.ListenKey, bed.Clock.GetUtcNow().AddHours(1)));
        bed.Emulator.ListenerCount(RelayTestBed.Hyco).ShouldBe(1);
    }

    [Fact]
    public async Task SecondaryKeyManageRightAndQueryCarrier_AreAccepted()
    {
        await using var bed = await RelayTestBed.StartAsync();
        using var byOldKey = await bed.DialAsync($"{RelayTestBed.Hyco}?sb-hc-action=listen", bed.Token("listen", "old-listen-key", RelayTestBed.Hyco));
        using var byManage = await bed.DialAsync($"{RelayTestBed.Hyco}?sb-hc-action=listen&sb-hc-token={Uri.EscapeDataString(bed.Token("manage", RelayTestBed.ManageKey, RelayTestBed.Hyco))}");
        bed.Emulator.ListenerCount(RelayTestBed.Hyco).ShouldBe(2);
    }

    [Fact]
    public async Task Authorization_IsConsumedOnlyWhenItIsTheToken()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var seen = new List<string?>();
        RelayHandler handler = (request, _) =>
        {
            request.Headers.Keys.ShouldNotContain(name => name.Equals("ServiceBusAuthorization", StringComparison.OrdinalIgnoreCase));
            seen.Add(request.Headers.GetValueOrDefault("authorization"));
            return Task.FromResult(RelayResponse.Empty(200));
        };
        await bed.ListenAsync(handler);
        await bed.ListenAsync(handler, _ => bed.ListenerOptions(RelayTestBed.Open));
        var http = bed.Http();
        var token = bed.Token("send", RelayTestBed.SendKey, RelayTestBed.Hyco);
        await GetAsync(http, "site/agent7", ("Authorization", token));
        await GetAsync(http, "site/agent7", ("ServiceBusAuthorization", token), ("Authorization", "Basic app"));
        await GetAsync(http, $"site/agent7?sb-hc-token={Uri.EscapeDataString(token)}", ("Authorization", "Basic app"));
        await GetAsync(http, "open", ("Authorization", "Basic app"));
        seen.ShouldBe([null, "Basic app", "Basic app", "Basic app"]);
    }

    [Fact]
    public async Task EntraTokens_WhenConfigured_AreCheckedForTimeAndAudience()
    {
        await using var bed = await RelayTestBed.StartAsync(change: options => options with { AcceptUnverifiedEntraTokens = true });
        var later = bed.Clock.GetUtcNow().AddHours(1).ToUnixTimeSeconds();
        using var bare = await bed.DialAsync($"{RelayTestBed.Hyco}?sb-hc-action=listen", Jwt("https://relay.azure.net/", later));
        using var bearer = await bed.DialAsync($"{RelayTestBed.Hyco}?sb-hc-action=listen", "Bearer " + Jwt("https://relay.azure.net", later));
        await RefusedAsync(bed, RelayTestBed.Hyco, Jwt("https://storage.azure.com", later), 401, "another service");
        await RefusedAsync(bed, RelayTestBed.Hyco, Jwt("https://relay.azure.net", 1), 401, "expired");
        await RefusedAsync(bed, RelayTestBed.Hyco, "not.a.token", 401, "malformed");
        await RefusedAsync(bed, RelayTestBed.Hyco, "x", 401, "malformed");
    }

    [Fact]
    public async Task TwentySixthListener_IsRefused()
    {
        await using var bed = await RelayTestBed.StartAsync();
        for (var n = 0; n < 25; n++) await bed.ScriptAsync();
        await RefusedAsync(bed, RelayTestBed.Hyco, bed.Token("listen", RelayTestBed.ListenKey, RelayTestBed.Hyco), 403, "25 listeners");
    }

    private static string Jwt(string audience, long expires) =>
        $"e30.{System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"aud":"{{audience}}","exp":{{expires}} }"""))}.x";

    private static async Task RefusedAsync(RelayTestBed bed, EntityPath entity, string? token, int status, string sentence)
    {
        var refused = await Should.ThrowAsync<RelayException>(() => bed.DialAsync($"{entity}?sb-hc-action=listen", token));
        refused.StatusCode.ShouldBe(status, refused.Message);
        refused.Message.ShouldContain(sentence);
        refused.Message.ShouldContain($"SystemTracker:sb://localhost/{entity}");
        refused.Message.ShouldMatch("TrackingId:[0-9a-f-]{36}_G0");
    }

    private static async Task GetAsync(HttpClient http, string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        using var response = await http.SendAsync(request, Cancel);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
    }
}
