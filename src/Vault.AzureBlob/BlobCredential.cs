using Azure;
using Azure.Core;
using Azure.Identity;
using Azure.Storage;
using Azure.Storage.Blobs;

namespace Backup.Vault.AzureBlob;

/// <summary>How to prove to blob storage who asks. Never prints what it holds.</summary>
public sealed class BlobCredential
{
    private readonly Func<Uri, BlobClientOptions, BlobContainerClient> _connect;
    private readonly string _kind;

    private BlobCredential(string kind, Func<Uri, BlobClientOptions, BlobContainerClient> connect)
    {
        _kind = kind;
        _connect = connect;
    }

    /// <summary>The machine's or user's own Azure identity: environment, workload or managed identity, Azure CLI, in that order.</summary>
    public static BlobCredential MachineIdentity { get; } = FromToken(() => new DefaultAzureCredential());

    /// <summary>A token credential, made at the first use.</summary>
    public static BlobCredential FromToken(Func<TokenCredential> credential) =>
        new("Azure identity", (uri, options) => new BlobContainerClient(uri, credential(), options));

    /// <summary>Whatever an account's client uses.</summary>
    public static BlobCredential OfService(BlobServiceClient service) =>
        new("storage account", (uri, _) => service.GetBlobContainerClient(new BlobUriBuilder(uri).BlobContainerName));

    /// <summary>A shared access signature, with or without its leading question mark.</summary>
    public static BlobCredential FromSas(string sas)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(sas);
        var signature = sas.Trim().TrimStart('?');
        return new BlobCredential("SAS", (uri, options) => new BlobContainerClient(uri, new AzureSasCredential(signature), options)) { MaySendBlocks = MayWrite(signature) };
    }

    /// <summary>What a credential file or variable holds: a SAS or a storage connection string (with an account key or a SAS).</summary>
    /// <exception cref="VaultException">With <see cref="VaultFault.AccessDenied"/> when the text is neither. The text is not repeated.</exception>
    public static BlobCredential Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var settings = text.Trim().Split(';', StringSplitOptions.RemoveEmptyEntries)
            .Select(part => part.Split('=', 2)).Where(pair => pair.Length == 2)
            .GroupBy(pair => pair[0].Trim(), StringComparer.OrdinalIgnoreCase).ToDictionary(g => g.Key, g => g.Last()[1], StringComparer.OrdinalIgnoreCase);
        if (settings.TryGetValue("AccountName", out var account) && settings.TryGetValue("AccountKey", out var key))
        {
            return FromAccountKey(account, key);
        }

        if (settings.TryGetValue("SharedAccessSignature", out var sas))
        {
            return FromSas(sas);
        }

        return text.Contains("sig=", StringComparison.Ordinal)
            ? FromSas(text)
            : throw NotACredential(null);
    }

    /// <inheritdoc/>
    public override string ToString() => _kind;

    /// <summary>False when it is known that blocks would be refused: trying costs their bytes, in memory and on the line.</summary>
    internal bool MaySendBlocks { get; private init; } = true;

    // Permissions stand in clear in a signature. One that names a stored policy has none in it: then trying shows.
    private static bool MayWrite(string signature) =>
        !signature.Split('&').Select(part => part.Split('=', 2)).Any(pair => pair is ["sp", var permissions] && !permissions.Contains('w', StringComparison.Ordinal));

    internal BlobContainerClient Connect(Uri container, BlobClientOptions options) => _connect(container, options);

    private static BlobCredential FromAccountKey(string account, string key)
    {
        StorageSharedKeyCredential credential;
        try
        {
            credential = new StorageSharedKeyCredential(account, key);
        }
        catch (FormatException e)
        {
            throw NotACredential(e);
        }

        return new BlobCredential("account key", (uri, options) => new BlobContainerClient(uri, credential, options));
    }

    private static VaultException NotACredential(Exception? cause) => new(
        VaultFault.AccessDenied, "The storage credential is neither a shared access signature nor a storage connection string.",
        "A SAS holds 'sig='; a connection string holds AccountName and AccountKey, or SharedAccessSignature.", cause);
}
