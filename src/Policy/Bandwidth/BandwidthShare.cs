namespace Backup.Policy.Bandwidth;

/// <summary>A transfer that wants its part of a site's line.</summary>
/// <param name="Asset">Whose.</param>
/// <param name="Priority">Of its service class; 1 is served first.</param>
/// <param name="BytesLeft">Still to send; not negative.</param>
/// <param name="Slack">Time left until its objective breaks; negative when it is broken already.</param>
public sealed record Transfer(AssetName Asset, int Priority, long BytesLeft, TimeSpan Slack);

/// <summary>Divides a bandwidth budget by how little time each transfer has. Pure.</summary>
public static class BandwidthShare
{
    /// <summary>No transfer is planned to end later than this, so that one without slack asks for a finite rate.</summary>
    public static readonly TimeSpan SlackMin = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Of what is divided, the part that every transfer gets alike whatever its slack: a connection that stands still is dropped
    /// by whoever lies between.
    /// </summary>
    public const double FloorShare = 0.05;

    /// <summary>
    /// Bytes per second for each transfer; together never more than the budget, and all of it while there is something to send.
    /// While the budget suffices everybody gets the rate that meets the objective, and what is left over goes to those with the
    /// least slack. When it does not, the lowest class waits first, and within a class the one with the most slack.
    /// </summary>
    /// <param name="bytesPerSecond">The budget; more than zero.</param>
    /// <param name="transfers">Those with something to send take part; the others get 0.</param>
    public static IReadOnlyDictionary<AssetName, long> Divide(long bytesPerSecond, IReadOnlyCollection<Transfer> transfers)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytesPerSecond);
        var shares = transfers.ToDictionary(t => t.Asset, _ => 0L);
        var active = transfers.Where(t => t.BytesLeft > 0)
            .OrderBy(t => t.Priority).ThenBy(t => t.Slack).ThenBy(t => t.Asset.Value, StringComparer.Ordinal).ToArray();
        if (active.Length == 0)
        {
            return shares;
        }

        var floor = (long)(bytesPerSecond * FloorShare / active.Length);
        var left = bytesPerSecond - (floor * active.Length);
        foreach (var transfer in active)
        {
            var needed = (long)Math.Ceiling(Math.Min(transfer.BytesLeft / Seconds(transfer), bytesPerSecond));
            var given = Math.Clamp(needed - floor, 0, left);
            shares[transfer.Asset] = floor + given;
            left -= given;
        }

        var weightTotal = active.Sum(t => 1 / Seconds(t));
        foreach (var transfer in active)
        {
            shares[transfer.Asset] += (long)(left * (1 / Seconds(transfer) / weightTotal));
        }

        // Rounding down must not waste the line: the first in line takes what is left.
        shares[active[0].Asset] += bytesPerSecond - shares.Values.Sum();
        return shares;
    }

    private static double Seconds(Transfer transfer) => Math.Max(transfer.Slack.TotalSeconds, SlackMin.TotalSeconds);
}
