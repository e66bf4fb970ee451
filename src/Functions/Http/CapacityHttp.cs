using Backup.Catalog.Capacity;
using Backup.Policy.Capacity;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>Capacity over HTTP.</summary>
/// <param name="capacity">Samples and volumes.</param>
/// <param name="clock">The forecast begins now.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class CapacityHttp(CapacityStore capacity, TimeProvider clock, ILogger<CapacityHttp> logger)
{
    /// <summary>How full vaults and tiers are, how they grow and when they are full; and what every asset took.</summary>
    [Function(nameof(GetCapacity))]
    public Task<IResult> GetCapacity([HttpTrigger(AuthorizationLevel.Function, "get", Route = "capacity")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var now = clock.GetUtcNow();
            var places = await capacity.ListAsync(now - CapacityForecast.SpanMax, cancel).ConfigureAwait(false);
            var volumes = await capacity.VolumesAsync(cancel).ConfigureAwait(false);
            return HttpAnswer.Ok(new CapacityView(
                [.. places.Select(p => View(p, CapacityForecast.Of(now, p.Samples, p.BytesLimit)))],
                [.. volumes.Select(v => new AssetView(v.Asset.Value, v.Points, v.BytesRead, v.BytesNew, v.BytesStored, v.Deduplication, v.Compression))]));
        });

    private static PlaceView View(MeasuredPlace place, CapacityOutlook outlook) => new(
        place.Kind, place.Name, place.Samples[^1].At, place.Samples.Count, outlook.BytesUsed, place.BytesLimit, outlook.BytesPerDay, outlook.FullAt, outlook.Alert);

    private sealed record PlaceView(
        PlaceKind Kind, string Name, DateTimeOffset SampledAt, int Samples, long BytesUsed, long? BytesLimit, double? BytesPerDay, DateTimeOffset? FullAt, CapacityAlert Alert);

    private sealed record AssetView(string Asset, long Points, long BytesRead, long BytesNew, long BytesStored, double? Deduplication, double? Compression);

    private sealed record CapacityView(IReadOnlyList<PlaceView> Places, IReadOnlyList<AssetView> Assets);
}
