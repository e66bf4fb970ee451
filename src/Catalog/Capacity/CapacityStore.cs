using Backup.Catalog.Database;
using Backup.Policy;
using Backup.Policy.Capacity;

namespace Backup.Catalog.Capacity;

/// <summary>What kind of place is measured.</summary>
public enum PlaceKind
{
    /// <summary>A vault, or a place for copies on another node: the disk it lies on.</summary>
    Vault,

    /// <summary>A tier: what our replicas hold there.</summary>
    Tier,
}

/// <summary>A measured place.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">A vault as <c>agent/vault</c>, a tier by its name.</param>
/// <param name="BytesLimit">When it is full, by the newest sample; null when nobody knows.</param>
/// <param name="Samples">Oldest first.</param>
public sealed record MeasuredPlace(PlaceKind Kind, string Name, long? BytesLimit, IReadOnlyList<CapacitySample> Samples);

/// <summary>What an asset's living recovery points took.</summary>
/// <param name="Asset">The asset.</param>
/// <param name="Points">How many there are.</param>
/// <param name="BytesRead">Bytes read from the source for them.</param>
/// <param name="BytesNew">Of these, bytes the vault did not have.</param>
/// <param name="BytesStored">What those became.</param>
public sealed record AssetVolume(AssetName Asset, long Points, long BytesRead, long BytesNew, long BytesStored)
{
    /// <summary>Bytes read per byte that was new: 1 when nothing was known; null while nothing was new.</summary>
    public double? Deduplication => BytesNew == 0 ? null : (double)BytesRead / BytesNew;

    /// <summary>New bytes per byte stored; null while nothing was stored.</summary>
    public double? Compression => BytesStored == 0 ? null : (double)BytesNew / BytesStored;
}

/// <summary>How full vaults and tiers were. Writes are idempotent.</summary>
public sealed class CapacityStore(CatalogDatabase database)
{
    /// <summary>Older samples are dropped: the forecast looks back <see cref="CapacityForecast.SpanMax"/>, people perhaps a year.</summary>
    public static readonly TimeSpan SampleLife = TimeSpan.FromDays(400);

    /// <summary>Stores a sample, once per place and moment, and drops those that are too old.</summary>
    public Task<bool> AddAsync(PlaceKind kind, string place, CapacitySample sample, long? bytesLimit, CancellationToken cancel) => database.WriteAsync(
        async session =>
        {
            await session.ExecuteAsync("delete from capacity_sample where at < $1", cancel, sample.At.ToUniversalTime() - SampleLife).ConfigureAwait(false);
            return await session.ExecuteAsync(
                "insert into capacity_sample (place, kind, at, bytes_used, bytes_limit) values ($1, $2, $3, $4, $5) on conflict do nothing",
                cancel,
                place,
                kind.Word(),
                sample.At.ToUniversalTime(),
                sample.BytesUsed,
                bytesLimit).ConfigureAwait(false) == 1;
        },
        cancel);

    /// <summary>Every place with its samples since a moment.</summary>
    public Task<IReadOnlyList<MeasuredPlace>> ListAsync(DateTimeOffset since, CancellationToken cancel) => database.ReadAsync<IReadOnlyList<MeasuredPlace>>(
        async session =>
        {
            var rows = await session.QueryAsync(
                "select place, kind, at, bytes_used, bytes_limit from capacity_sample where at >= $1 order by kind, place, at",
                row => (
                    Kind: row.Choice<PlaceKind>("kind"),
                    Place: row.Text("place"),
                    Sample: new CapacitySample(row.Instant("at"), row.Number("bytes_used")),
                    Limit: row.NumberOrNull("bytes_limit")),
                cancel,
                since.ToUniversalTime()).ConfigureAwait(false);
            return [.. rows.GroupBy(r => (r.Kind, r.Place)).Select(g => new MeasuredPlace(g.Key.Kind, g.Key.Place, g.Last().Limit, [.. g.Select(r => r.Sample)]))];
        },
        cancel);

    /// <summary>Bytes that replicas hold in each tier: of every vault's copy in every container once, as its newest manifest says.</summary>
    public Task<IReadOnlyDictionary<TierName, long>> TierBytesAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyDictionary<TierName, long>>(
        async session => (await session.QueryAsync(
            """
            select tier, sum(bytes_total)::bigint as bytes from (
                select distinct on (r.container_uri, p.vault_id) r.tier, r.bytes_total from replica r join recovery_point p on p.id = r.recovery_point_id
                where r.bytes_total is not null and r.state in ('copied', 'checked', 'damaged') order by r.container_uri, p.vault_id, p.published_at desc) newest
            group by tier
            """,
            row => (Tier: new TierName(row.Text("tier")), Bytes: row.Number("bytes")),
            cancel).ConfigureAwait(false)).ToDictionary(r => r.Tier, r => r.Bytes),
        cancel);

    /// <summary>What the living points of every asset took, by name.</summary>
    public Task<IReadOnlyList<AssetVolume>> VolumesAsync(CancellationToken cancel) => database.ReadAsync<IReadOnlyList<AssetVolume>>(
        async session => await session.QueryAsync(
            """
            select asset, count(*) as points, sum(bytes_read)::bigint as bytes_read, sum(bytes_new)::bigint as bytes_new, sum(bytes_stored)::bigint as bytes_stored
            from recovery_point where expired_at is null and missing_since is null group by asset order by asset collate "C"
            """,
            row => new AssetVolume(new(row.Text("asset")), row.Number("points"), row.Number("bytes_read"), row.Number("bytes_new"), row.Number("bytes_stored")),
            cancel).ConfigureAwait(false),
        cancel);
}
