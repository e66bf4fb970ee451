using Azure.Core;
using Shouldly;

namespace Backup.Relay.Tests.Tokens;

public sealed class EntraTokensTests
{
    private static readonly RelayEndpoint Endpoint = RelayEndpoint.Parse("sb://contoso.servicebus.windows.net");
    private static readonly EntityPath Entity = EntityPath.Parse("hyco");

    [Fact]
    public async Task GetAsync_AsksForTheRelaysScope_AndAgainAtThreeQuartersOfTheTokensLife()
    {
        var clock = FakeTime.New();
        var credential = new CountingCredential(clock, TimeSpan.FromMinutes(80));
        var tokens = new EntraTokens(credential, clock);
        var first = await tokens.GetAsync(Endpoint, Entity, default);
        first.Text.ShouldBe("jwt-1");
        clock.Advance(TimeSpan.FromMinutes(59));
        (await tokens.GetAsync(Endpoint, Entity, default)).ShouldBeSameAs(first);
        clock.Advance(TimeSpan.FromMinutes(1));
        (await tokens.GetAsync(Endpoint, Entity, default)).Text.ShouldBe("jwt-2");
        credential.Scopes.ShouldBe(["https://relay.azure.net/.default"]);
    }

    [Fact]
    public async Task Listener_AndSender_WithACredential_WorkAgainstTheEmulator()
    {
        await using var bed = await RelayTestBed.StartAsync(change: options => options with { AcceptUnverifiedEntraTokens = true });
        var tokens = new EntraTokens(new CountingCredential(bed.Clock, TimeSpan.FromHours(1), isJwt: true), bed.Clock);
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(202)), options => options with { Connection = options.Connection with { Tokens = tokens } });
        using var sender = new RelaySender(bed.Connection("send", RelayTestBed.SendKey) with { Tokens = tokens });
        (await sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Headers = new Dictionary<string, string> { ["X-Who"] = "me" } }, TestContext.Current.CancellationToken))
            .ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(202);
    }

    [Fact]
    public async Task Credential_ThatFails_IsAReasonOfItsOwnAndNothingWasSent()
    {
        await using var bed = await RelayTestBed.StartAsync();
        using var sender = new RelaySender(bed.Connection("send", RelayTestBed.SendKey) with { Tokens = new EntraTokens(new FailingCredential(), bed.Clock) });

        var failure = (await sender.SendAsync(RelayTestBed.Hyco, new RelayCall { Body = new byte[1] }, TestContext.Current.CancellationToken)).ShouldBeOfType<RelayReply.NotDelivered>().Failure;

        (failure.Fault, failure.IsTransient).ShouldBe((RelayFault.NoToken, true));
        failure.Message.ShouldContain("CredentialUnavailableException");
        failure.Message.ShouldNotContain("secret");
    }

    [Theory]
    [InlineData("default", "DefaultAzureCredential"), InlineData("managed", "ManagedIdentityCredential"), InlineData("b7a6f3a4-8d4e-4c83-9f3e-0d6b2a1c5e77", "ManagedIdentityCredential")]
    public void RelayIdentity_EachForm_IsItsCredential(string text, string credential) => RelayIdentity.TryParse(text)!.NewCredential().GetType().Name.ShouldBe(credential);

    [Theory]
    [InlineData(""), InlineData("Default"), InlineData("somebody"), InlineData("b7a6f3a4")]
    public void RelayIdentity_AnythingElse_IsNone(string text) => RelayIdentity.TryParse(text).ShouldBeNull();

    private sealed class FailingCredential : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) => throw new Azure.Identity.CredentialUnavailableException("secret detail");

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) => throw new Azure.Identity.CredentialUnavailableException("secret detail");
    }

    private sealed class CountingCredential(TimeProvider clock, TimeSpan life, bool isJwt = false) : TokenCredential
    {
        private int _count;

        public HashSet<string> Scopes { get; } = [];

        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
        {
            foreach (var scope in requestContext.Scopes) Scopes.Add(scope);
            var expires = clock.GetUtcNow() + life;
            var claims = System.Text.Encoding.UTF8.GetBytes($$"""{"aud":"https://relay.azure.net","exp":{{expires.ToUnixTimeSeconds()}} }""");
            return new AccessToken(isJwt ? $"e30.{System.Buffers.Text.Base64Url.EncodeToString(claims)}.x" : $"jwt-{++_count}", expires);
        }

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            ValueTask.FromResult(GetToken(requestContext, cancellationToken));
    }
}
