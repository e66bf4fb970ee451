using Azure.Storage.Blobs;

namespace Backup.Vault.AzureBlob;

/// <summary>A container, or a folder in one, without credentials.</summary>
public sealed record BlobLocation
{
    private BlobLocation(Uri container, string prefix)
    {
        Container = container;
        Prefix = prefix;
    }

    /// <summary>The container's URL without query.</summary>
    public Uri Container { get; }

    /// <summary>What every blob name begins with: empty, or ending in a slash.</summary>
    public string Prefix { get; }

    /// <summary>True when the text looks like a URL rather than a folder.</summary>
    public static bool IsUrl(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.StartsWith("https://", StringComparison.OrdinalIgnoreCase) || text.StartsWith("http://", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>
    /// Reads <c>https://account.blob.core.windows.net/container[/folder…]</c>. With an IP address or <c>localhost</c> as host
    /// (Azurite) the account's name is the first part of the path. Plain http is accepted for the machine itself only.
    /// </summary>
    /// <exception cref="VaultException">With <see cref="VaultFault.NotAVault"/>: another form, or a query, which would carry a credential.</exception>
    public static BlobLocation Parse(string url)
    {
        ArgumentNullException.ThrowIfNull(url);
        if (!IsUrl(url) || !Uri.TryCreate(url, UriKind.Absolute, out var uri))
        {
            throw Refused(url.Split('?')[0], "is not a URL of blob storage", "Write https://account.blob.core.windows.net/container.");
        }

        var shown = uri.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);
        if (uri.Query.Length > 0 || uri.UserInfo.Length > 0)
        {
            throw Refused(shown, "must not carry a credential or other query", "URLs end up in logs: give the SAS in a file or an environment variable.");
        }

        if (uri.Scheme != Uri.UriSchemeHttps && !uri.IsLoopback)
        {
            throw Refused(shown, "is not encrypted in transit", "Use https; http is for a store on this machine only.");
        }

        var parts = uri.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(Uri.UnescapeDataString).ToArray();
        var accountParts = uri.HostNameType is UriHostNameType.IPv4 or UriHostNameType.IPv6 || uri.Host == "localhost" ? 1 : 0;
        if (parts.Length <= accountParts)
        {
            throw Refused(shown, "names no container", "Add the container's name to the path.");
        }

        var container = new Uri($"{uri.GetLeftPart(UriPartial.Authority)}/{string.Join('/', parts.Take(accountParts + 1).Select(Uri.EscapeDataString))}");
        var folder = string.Concat(parts.Skip(accountParts + 1).Select(part => part + "/"));
        return new BlobLocation(container, folder);
    }

    /// <summary>A folder below this place.</summary>
    /// <param name="name">One or more names joined by slashes.</param>
    public BlobLocation Below(string name) => new(Container, $"{Prefix}{name.Trim('/')}/");

    /// <summary>The place as a URL.</summary>
    public override string ToString() => Prefix.Length == 0 ? Container.ToString() : $"{Container}/{Prefix.TrimEnd('/')}";

    internal BlobContainerClient Connect(BlobCredential credential, BlobClientOptions options) => credential.Connect(Container, options);

    private static VaultException Refused(string url, string problem, string hint) => new(VaultFault.NotAVault, $"{url} {problem}.", hint);
}
