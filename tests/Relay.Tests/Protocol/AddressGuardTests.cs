using Shouldly;

namespace Backup.Relay.Tests.Protocol;

public sealed class AddressGuardTests
{
    [Theory]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://contoso.servicebus.windows.net/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://g63-prod-xxx-001-sb.servicebus.windows.net:443/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://CONTOSO.ServiceBus.Windows.Net/$HC/a%20b?x=%41")]
    [InlineData("sb://localhost:5443", "wss://localhost:5443/$hc/a?x")]
    [InlineData("sb://127.0.0.1:5443", "wss://127.0.0.1:5443/$hc/a?x")]
    public void Check_OfAnAddressOfTheNamespace_ReturnsItUnchanged(string endpoint, string address) =>
        new AddressGuard(RelayEndpoint.Parse(endpoint)).Check(address).OriginalString.ShouldBe(address);

    [Theory]
    [InlineData("sb://contoso.servicebus.windows.net", "ws://contoso.servicebus.windows.net/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "https://contoso.servicebus.windows.net/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://contoso.servicebus.windows.net.evil.example/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://evilservicebus.windows.net/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://servicebus.windows.net@evil.example/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://user@contoso.servicebus.windows.net/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://contoso.servicebus.windows.net:8443/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://169.254.169.254/$hc/a?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://contoso.servicebus.windows.net/metadata?x")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://contoso.servicebus.windows.net/$hc/a?x#y")]
    [InlineData("sb://contoso.servicebus.windows.net", "wss://contoso.servicebus.windows.net/$hc/a?x\r\nHost: y")]
    [InlineData("sb://localhost:5443", "wss://sub.localhost:5443/$hc/a?x")]
    [InlineData("sb://localhost:5443", "wss://localhost:22/$hc/a?x")]
    [InlineData("sb://10.0.0.1:5443", "wss://10.0.0.2:5443/$hc/a?x")]
    [InlineData("sb://10.0.0.1:5443", "wss://9.0.0.1:5443/$hc/a?x")]
    [InlineData("sb://localhost:5443", "/$hc/a?x")]
    [InlineData("sb://localhost:5443", "")]
    [InlineData("sb://localhost:5443", null)]
    public void Check_OfAnyOtherAddress_Refuses(string endpoint, string? address) =>
        Should.Throw<RelayException>(() => new AddressGuard(RelayEndpoint.Parse(endpoint)).Check(address)).Fault.ShouldBe(RelayFault.AddressRefused);

    [Theory]
    [InlineData("/a?x=1&SB-HC-Token=t&y", "/a?x=1&y")]
    [InlineData("/a?sb-hc-token=t", "/a")]
    [InlineData("/a?sb-hc-token", "/a?sb-hc-token")]
    [InlineData("/a?&&sb-hc-id=1&", "/a?&&")]
    [InlineData("/a?", "/a?")]
    [InlineData("/a", "/a")]
    [InlineData("/a?xsb-hc-id=1&b=sb-hc-id=2", "/a?xsb-hc-id=1&b=sb-hc-id=2")]
    public void Strip_RemovesOnlyTheProtocolsOwnParameters(string target, string expected) => ProtocolQuery.Strip(target).ShouldBe(expected);

    [Theory]
    [InlineData("/site/agent7", "", "")]
    [InlineData("/site/agent7/", "/", "")]
    [InlineData("/SITE/agent7/v1/orders?x=/y", "/v1/orders", "x=/y")]
    [InlineData("/site", "", "")]
    [InlineData("", "", "")]
    [InlineData("?x", "", "x")]
    public void Target_IsSplitAfterTheEntitysSegments(string target, string suffix, string query) =>
        RelayTarget.Parse(target, EntityPath.Parse("site/agent7")).ShouldBe(new RelayTarget(suffix, query));

    [Theory]
    [InlineData("")]
    [InlineData("/a")]
    [InlineData("a//b")]
    [InlineData("a/../b")]
    [InlineData("$hc/a")]
    [InlineData("a\nb")]
    public void EntityPath_RefusesWhatCannotBeAnEntity(string text) => Should.Throw<RelayException>(() => EntityPath.Parse(text));

    [Theory]
    [InlineData("localhost")]
    [InlineData("http://localhost")]
    [InlineData("sb://user@localhost")]
    [InlineData("sb://localhost/path")]
    [InlineData("sb://localhost?x")]
    public void Endpoint_RefusesWhatIsNoTlsAddress(string text) => Should.Throw<RelayException>(() => RelayEndpoint.Parse(text));
}
