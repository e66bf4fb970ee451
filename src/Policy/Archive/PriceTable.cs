namespace Backup.Policy;

/// <summary>
/// What a tier costs, as the owner's contract says. No price is built in: they differ by region and change. A tier without prices
/// has plans without costs.
/// </summary>
/// <param name="Currency">For people, such as EUR.</param>
/// <param name="GigabyteMonth">Keeping 10^9 bytes for 30 days.</param>
/// <param name="GigabyteRead">Reading or rehydrating 10^9 bytes at standard priority.</param>
/// <param name="GigabyteReadHigh">…at high priority.</param>
/// <param name="TenThousandReads">10,000 read operations.</param>
public sealed record TierPrices(string Currency, decimal GigabyteMonth, decimal GigabyteRead, decimal GigabyteReadHigh, decimal TenThousandReads)
{
    /// <summary>Keeping 10^9 bytes for 30 days in the online tier to which archived packs are copied for a restore.</summary>
    public decimal OnlineGigabyteMonth { get; init; }
}
