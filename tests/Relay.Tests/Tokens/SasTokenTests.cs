using CsCheck;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Relay.Tests.Tokens;

public sealed class SasTokenTests
{
    private const string Key = "c2VjcmV0LWtleS1mb3ItcHJvYmU=";

    [Fact]
    public void Create_GivesTheSignatureOfThePublishedVector()
    {
        var text = SasToken.Create("http://contoso.servicebus.windows.net/hyco/", "send", Key, DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
        text.ShouldBe("SharedAccessSignature sr=http%3A%2F%2Fcontoso.servicebus.windows.net%2Fhyco%2F&sig=6R5%2FPirKqAI7g8divEpGHT13xRdHADw%2FAc2FAAB4PqM%3D&se=1900000000&skn=send");
    }

    [Theory]
    [InlineData("sharedaccesssignature skn=send&se=1900000000&sig=6R5%2fPirKqAI7g8divEpGHT13xRdHADw%2fAc2FAAB4PqM%3d&sr=http%3A%2F%2Fcontoso.servicebus.windows.net%2Fhyco%2F")]
    [InlineData("SharedAccessSignature sr=http%3A%2F%2Fcontoso.servicebus.windows.net%2Fhyco%2F&sig=6R5/PirKqAI7g8divEpGHT13xRdHADw/Ac2FAAB4PqM=&se=1900000000&skn=send")]
    public void TryParse_AnySpellingOfTheSameToken_ChecksOut(string text)
    {
        SasToken.TryParse(text, out var token).ShouldBeTrue();
        token!.KeyName.ShouldBe("send");
        token.Audience.ShouldBe("http://contoso.servicebus.windows.net/hyco/");
        token.IsSignedBy(Key).ShouldBeTrue();
        token.IsSignedBy(Key + "x").ShouldBeFalse();
    }

    [Fact]
    public void IsSignedBy_IsOverTheAudienceAsReceived()
    {
        // The same audience with lower-case escapes is another signed text.
        var upper = SasToken.Create("http://host/a b/", "send", Key, DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
        SasToken.TryParse(upper.Replace("%2F", "%2f", StringComparison.Ordinal).Replace("sig=", "sig=", StringComparison.Ordinal), out var lower).ShouldBeTrue();
        lower!.IsSignedBy(Key).ShouldBeFalse();
    }

    [Theory]
    [InlineData("")]
    [InlineData("SharedAccessSignature")]
    [InlineData("SharedAccessSignature ")]
    [InlineData("SharedAccessSignature sr=a&sig=b&se=c&skn=d")]
    [InlineData("SharedAccessSignature sr=a&sig=b&se=-1&skn=d")]
    [InlineData("SharedAccessSignature sr=a&sig=b&se=1")]
    [InlineData("SharedAccessSignature sr=a&sr=a&sig=b&se=1&skn=d")]
    [InlineData("SharedAccessSignature sr=&sig=b&se=1&skn=d")]
    [InlineData("Bearer eyJ0.e30.x")]
    public void TryParse_WhatIsNoToken_SaysSo(string text) => SasToken.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void AnyChangeToASignedField_BreaksTheSignature()
    {
        var text = SasToken.Create("http://host/hyco/", "send", Key, DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
        var end = text.IndexOf("&skn=", StringComparison.Ordinal);
        Gen.Select(Gen.Int["SharedAccessSignature sr=".Length, end - 1], Gen.Char['0', '9']).Sample((at, digit) =>
        {
            if (text[at] == digit) return;
            var altered = string.Concat(text.AsSpan(0, at), digit.ToString(), text.AsSpan(at + 1));
            if (SasToken.TryParse(altered, out var token)) token.IsSignedBy(Key).ShouldBeFalse(altered);
        });
    }

    [Fact]
    public async Task GetAsync_HandsOutOneTokenUntilThreeQuartersOfItsLife()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.FromUnixTimeSeconds(1_800_000_000));
        var tokens = new SasTokens("send", Key, clock);
        var endpoint = RelayEndpoint.Parse("sb://contoso.servicebus.windows.net:5443");
        var entity = EntityPath.Parse("site/agent 7");
        var first = await tokens.GetAsync(endpoint, entity, default);
        clock.Advance(TimeSpan.FromMinutes(44));
        (await tokens.GetAsync(endpoint, entity, default)).ShouldBeSameAs(first);
        clock.Advance(TimeSpan.FromMinutes(1));
        var second = await tokens.GetAsync(endpoint, entity, default);
        second.ShouldNotBeSameAs(first);
        second.ExpiresAt.ShouldBe(clock.GetUtcNow().AddMinutes(60));
        SasToken.TryParse(second.Text, out var token).ShouldBeTrue();
        token!.Audience.ShouldBe("http://contoso.servicebus.windows.net/site/agent%207/");
        second.ToString().ShouldNotContain("sig=");
    }
}
