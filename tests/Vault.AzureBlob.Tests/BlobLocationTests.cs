using Shouldly;

namespace Backup.Vault.AzureBlob.Tests;

public sealed class BlobLocationTests
{
    [Theory]
    [InlineData("https://acc.blob.core.windows.net/vault", "https://acc.blob.core.windows.net/vault", "")]
    [InlineData("https://acc.blob.core.windows.net/vault/", "https://acc.blob.core.windows.net/vault", "")]
    [InlineData("https://acc.blob.core.windows.net/vault/a/b", "https://acc.blob.core.windows.net/vault", "a/b/")]
    [InlineData("http://127.0.0.1:10000/acc/vault/a", "http://127.0.0.1:10000/acc/vault", "a/")]
    [InlineData("http://localhost:10000/acc/vault", "http://localhost:10000/acc/vault", "")]
    public void Parse_Url_SplitsContainerAndFolder(string url, string container, string prefix)
    {
        var location = BlobLocation.Parse(url);

        location.Container.ToString().ShouldBe(container);
        location.Prefix.ShouldBe(prefix);
    }

    [Theory]
    [InlineData("/srv/vault", "is not a URL")]
    [InlineData("https://acc.blob.core.windows.net", "names no container")]
    [InlineData("http://127.0.0.1:10000/acc", "names no container")]
    [InlineData("http://acc.blob.core.windows.net/vault", "not encrypted")]
    [InlineData("https://acc.blob.core.windows.net/vault?sv=1&sig=topsecret", "must not carry")]
    [InlineData("https://user:topsecret@acc.blob.core.windows.net/vault", "must not carry")]
    public void Parse_Unusable_SaysWhyWithoutSecrets(string url, string why)
    {
        var e = Should.Throw<VaultException>(() => BlobLocation.Parse(url));

        e.Message.ShouldContain(why);
        e.Message.ShouldNotContain("topsecret");
    }

    [Theory]
    [InlineData("?sv=2024&sig=abc", "SAS")]
    [InlineData("sv=2024&sig=abc", "SAS")]
    [InlineData("BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1&sig=abc", "SAS")]
    [InlineData("AccountName=a;AccountKey=AAAA;EndpointSuffix=core.windows.net", "account key")]
    public void ParseCredential_EachForm_IsRecognisedAndNeverPrinted(string text, string kind) => BlobCredential.Parse(text).ToString().ShouldBe(kind);

    [Theory]
    [InlineData("")]
    [InlineData("topsecret")]
    [InlineData("AccountName=a;AccountKey=topsecret!")]
    public void ParseCredential_Anything_Else_IsRefusedWithoutRepeatingIt(string text)
    {
        var e = Should.Throw<VaultException>(() => BlobCredential.Parse(text));

        e.Fault.ShouldBe(VaultFault.AccessDenied);
        e.ToString().ShouldNotContain("topsecret");
    }
}
