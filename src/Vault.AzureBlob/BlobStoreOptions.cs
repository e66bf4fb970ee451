using Azure.Core;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;

namespace Backup.Vault.AzureBlob;

/// <summary>How a blob store transfers and retries.</summary>
public sealed record BlobStoreOptions
{
    /// <summary>Access tier of data packs. Everything else is then hot, because browsing and restoring need it at once.</summary>
    /// <value>Null: the account's default, for everything.</value>
    public AccessTier? DataPackTier { get; init; }

    /// <summary>Blocks of one object sent at the same time.</summary>
    /// <value>1 to 32, by default 4.</value>
    public int BlocksInFlight { get; init; } = 4;

    /// <summary>Bytes of one block; smaller objects go in one request.</summary>
    /// <value>By default 8 MiB.</value>
    public int BlockBytes { get; init; } = 8 << 20;

    /// <summary>Further tries of one request after a passing fault.</summary>
    /// <value>By default 5. With the default delays a request gives up after about 16 s of waiting plus its own time.</value>
    public int RetriesMax { get; init; } = 5;

    /// <summary>The wait before the first retry; it doubles each time.</summary>
    /// <value>By default 0.5 s.</value>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>The longest wait between two tries.</summary>
    /// <value>By default 15 s.</value>
    public TimeSpan RetryDelayMax { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long one request may stand still before it is tried again.</summary>
    /// <value>By default 100 s.</value>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(100);

    internal BlobClientOptions ToClientOptions()
    {
        var options = new BlobClientOptions();
        options.Retry.Mode = RetryMode.Exponential;
        options.Retry.MaxRetries = RetriesMax;
        options.Retry.Delay = RetryDelay;
        options.Retry.MaxDelay = RetryDelayMax;
        options.Retry.NetworkTimeout = RequestTimeout;
        // Requests carry SAS tokens and object names; the SDK's own logging stays out of our logs.
        options.Diagnostics.IsLoggingEnabled = false;
        options.Diagnostics.IsTelemetryEnabled = false;
        return options;
    }
}
