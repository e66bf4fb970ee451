using System.Globalization;
using Backup.Policy.Archive;

namespace Backup.Policy.Parsing;

/// <summary>The prices of a tier, for plans that show their cost.</summary>
internal sealed partial class PolicyBuilder
{
    private static TierPrices? ReadPrices(MapReader item)
    {
        if (item.Group("prices") is not { } group)
        {
            return null;
        }

        var currency = group.Text("currency", required: true);
        var month = ReadPrice(group, "gigabyteMonth");
        var read = ReadPrice(group, "gigabyteRead");
        var readHigh = group.Has("gigabyteReadHigh") ? ReadPrice(group, "gigabyteReadHigh") : read;
        var operations = group.Has("tenThousandReads") ? ReadPrice(group, "tenThousandReads") : 0;
        var online = group.Has("onlineGigabyteMonth") ? ReadPrice(group, "onlineGigabyteMonth") : 0;
        group.RefuseUnknownKeys();
        return currency is null || month is null || read is null || readHigh is null || operations is null || online is null
            ? null
            : new TierPrices(currency, month.Value, read.Value, readHigh.Value, operations.Value) { OnlineGigabyteMonth = online.Value };
    }

    private static ArchiveRules ReadArchiveRules(MapReader root)
    {
        if (root.Group("archive") is not { } group)
        {
            return ArchiveRules.Standard;
        }

        var rules = new ArchiveRules
        {
            ApprovalAboveCost = group.Has("approvalAboveCost") ? ReadPrice(group, "approvalAboveCost") : null,
            KeepCopies = group.Duration("keepCopies", required: false, TimeSpan.FromHours(1)) ?? ArchiveRules.Standard.KeepCopies,
        };
        group.RefuseUnknownKeys();
        return rules;
    }

    private static decimal? ReadPrice(MapReader group, string key)
    {
        var text = group.Text(key, required: true);
        if (text is null)
        {
            return null;
        }

        if (decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var price) && price <= PolicyLimits.PriceMax)
        {
            return price;
        }

        group.Problems.Add(group.PlaceOf(key), $"\"{text}\" is not a price such as 0.0018, at most {PolicyLimits.PriceMax}");
        return null;
    }
}
