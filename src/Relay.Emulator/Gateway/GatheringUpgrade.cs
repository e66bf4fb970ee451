using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Backup.Relay.Emulator;

/// <summary>Puts a <see cref="GatheringStream"/> below every WebSocket that the framework accepts, and finds it again.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The stream belongs to the WebSocket above it.")]
internal sealed class GatheringUpgrade(IHttpUpgradeFeature inner) : IHttpUpgradeFeature
{
    private GatheringStream? _stream;

    public bool IsUpgradableRequest => inner.IsUpgradableRequest;

    public static Task InstallAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true } upgrade) context.Features.Set<IHttpUpgradeFeature>(new GatheringUpgrade(upgrade));
        return next(context);
    }

    /// <summary>What lies below the request's WebSocket, once it was accepted.</summary>
    public static GatheringStream StreamOf(HttpContext context) =>
        (context.Features.Get<IHttpUpgradeFeature>() as GatheringUpgrade)?._stream ?? throw new InvalidOperationException("The request was not upgraded.");

    public async Task<Stream> UpgradeAsync() => _stream = new GatheringStream(await inner.UpgradeAsync().ConfigureAwait(false));
}
