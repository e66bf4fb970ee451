using Backup.Policy.Scheduling;
using Shouldly;

namespace Backup.Policy.Tests.Scheduling;

public sealed class GroupPointsTests
{
    private static readonly AssetGroup Group = new(new("catalogue"), [new("db"), new("files")]);

    [Fact]
    public void Complete_OnlySlotsWithEveryMember_CountNewestFirst()
    {
        var points = GroupPoints.Complete(Group, [Of("db", "s1", 1), Of("files", "s1", 2), Of("db", "s2", 11), Of("db", "s3", 22), Of("files", "s3", 21), Of("other", "s2", 11)]);
        points.Select(p => (p.Slot, p.Oldest.Minute, p.Newest.Minute)).ShouldBe([("s3", 21, 22), ("s1", 1, 2)]);
        points[0].Members.Select(m => m.Asset.Value).ShouldBe(["db", "files"]);
    }

    private static MemberPoint Of(string asset, string slot, int minute) =>
        new(new(asset), slot, $"{asset}-{slot}", new DateTimeOffset(2026, 5, 4, 12, minute, 0, TimeSpan.Zero));
}
