using System.Globalization;
using Backup.Policy.Retention;
using CsCheck;
using Shouldly;

namespace Backup.Policy.Tests.Retention;

/// <summary>No plan ever breaks a promise of the rule. CsCheck prints the seed of a failing case; CsCheck_Seed repeats it.</summary>
public sealed class RetentionDeciderTests
{
    private static readonly AssetName Asset = new("voids-db");
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    // A week after the end of summer time, so that both changes lie among the points.
    private static readonly DateTimeOffset Now = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly Gen<RetentionRule> Rules = Gen.Select(Gen.Int[1, 4], Gen.Int[0, 5].Array[5], Gen.Int[0, 400].Array[3]).Select((last, counts, hours) => new RetentionRule
    {
        KeepLast = last,
        KeepHourly = counts[0],
        KeepDaily = counts[1],
        KeepWeekly = counts[2],
        KeepMonthly = counts[3],
        KeepYearly = counts[4],
        KeepWithin = TimeSpan.FromHours(hours[0]),
        ImmutableFor = TimeSpan.FromHours(hours[1]),
        ContinuousFor = TimeSpan.FromHours(hours[2]),
    });

    /// <summary>Bases of a server with hourly to weekly backups over some weeks, and how far the log led on from each: unbroken runs with gaps between, some bases without a word about it.</summary>
    private static readonly Gen<RetentionPoint[]> Chains = Gen.Select(Gen.Int[1, 100].Array[1, 60], Gen.Int[1, 300].Array[1, 8], Gen.Int[0, 12].Array[60]).Select((gaps, runs, silence) =>
    {
        // From the newest back: where runs of log end, and each base belongs to the run that it lies in.
        var ends = runs.Aggregate(new List<DateTimeOffset> { Now }, (list, hours) => [.. list, list[^1].AddHours(-hours)]);
        var at = Now;
        return gaps.Select((hours, i) =>
        {
            at = at.AddHours(-hours / 4.0);
            var end = ends.Where(e => e > at).DefaultIfEmpty(at).Min();
            return new RetentionPoint($"b{i:D3}", at, at.AddMinutes(1), LogUntil: silence[i] == 0 ? null : end);
        }).ToArray();
    });

    /// <summary>Bases and log ranges over about two years, some held, some dated wrongly by their agent.</summary>
    private static readonly Gen<RetentionPoint[]> Histories = Gen.Select(Gen.Int[0, 2 * 365 * 24], Gen.Int[0, 3], Gen.Int[0, 30], Gen.Int[0, 30]).Array[0, 60].Select(items =>
    {
        var points = new List<RetentionPoint>();
        foreach (var (hoursAgo, kind, hold, wrong) in items.OrderByDescending(i => i.Item1))
        {
            var published = Now.AddHours(-hoursAgo).AddMinutes(points.Count % 60);
            var instant = wrong == 0 ? published.AddYears(-20) : wrong == 1 ? published.AddYears(20) : published.AddMinutes(-1);
            var needs = kind > 0 ? points.LastOrDefault(p => p.NeedsPoint is null)?.Id : null;
            points.Add(new RetentionPoint($"p{points.Count:D3}", instant, published, HasLegalHold: hold == 0, NeedsPoint: needs));
        }

        return points.ToArray();
    });

    [Fact]
    public void Decide_AnyRuleAndHistory_KeepsEveryPromise() => Gen.Select(Rules, Histories).Sample(
        (rule, points) =>
        {
            var plan = RetentionDecider.Decide(Asset, rule, Berlin, Now, points);
            var kept = plan.Verdicts.Where(v => v.IsKept).Select(v => v.Point).ToHashSet();
            plan.Verdicts.Count.ShouldBe(points.Length);

            // Told by trustworthy dates: the newest of each promised period is there.
            var dated = points.Where(p => p.IsDateTrusted).OrderByDescending(p => p.Instant).ThenByDescending(p => p.Id, StringComparer.Ordinal).ToArray();
            if (dated.Length == points.Length)
            {
                dated.Take(rule.KeepLast).ShouldAllHold(p => kept.Contains(p));
                ShouldHoldNewest(kept, dated, rule.KeepHourly, p => p.Instant.UtcDateTime.ToString("yyyyMMddHH", CultureInfo.InvariantCulture));
                ShouldHoldNewest(kept, dated, rule.KeepDaily, p => Local(p).ToString("yyyyMMdd", CultureInfo.InvariantCulture));
                ShouldHoldNewest(kept, dated, rule.KeepWeekly, p => DateOnly.FromDateTime(Local(p)).AddDays(-(((int)Local(p).DayOfWeek + 6) % 7)).ToString("o", CultureInfo.InvariantCulture));
                ShouldHoldNewest(kept, dated, rule.KeepMonthly, p => Local(p).ToString("yyyyMM", CultureInfo.InvariantCulture));
                ShouldHoldNewest(kept, dated, rule.KeepYearly, p => Local(p).ToString("yyyy", CultureInfo.InvariantCulture));
            }

            dated.Where(p => Now - p.Instant < rule.KeepWithin).ShouldAllHold(p => kept.Contains(p));
            points.Where(p => Now - p.PublishedAt < rule.ImmutableFor).ShouldAllHold(p => kept.Contains(p));
            points.Where(p => p.HasLegalHold).ShouldAllHold(p => kept.Contains(p));

            // Chains are units: no kept log without its base, no kept base without its log.
            kept.Where(p => p.NeedsPoint is not null).ShouldAllHold(p => kept.Any(k => k.Id == p.NeedsPoint));
            points.Where(p => p.NeedsPoint is not null && kept.Any(k => k.Id == p.NeedsPoint)).ShouldAllHold(p => kept.Contains(p));

            // Every moment of the continuous time that could be restored before still can be, from the same base.
            if (rule.ContinuousFor > TimeSpan.Zero)
            {
                foreach (var log in dated.Where(p => Now - p.Instant <= rule.ContinuousFor))
                {
                    kept.ShouldContain(log);
                }

                var before = dated.FirstOrDefault(p => p.NeedsPoint is null && p.Instant <= Now - rule.ContinuousFor);
                (before is null || kept.Contains(before)).ShouldBeTrue();
            }
        },
        iter: 3_000);

    [Fact]
    public void Decide_ClockOfTheAgentYearsOff_LosesNothingThatTheTrueDatesKeep() => Gen.Select(Rules, Histories, Gen.Int[-40, 40]).Sample((rule, history, years) =>
    {
        var right = history.Select(p => p with { Instant = p.PublishedAt }).ToArray();
        var off = right.Select(p => p with { Instant = p.PublishedAt.AddYears(years) }).ToArray();
        var kept = RetentionDecider.Decide(Asset, rule, Berlin, Now, right).Verdicts.Where(v => v.IsKept).Select(v => v.Point.Id);
        var keptOff = RetentionDecider.Decide(Asset, rule, Berlin, Now, off).Verdicts.Where(v => v.IsKept).Select(v => v.Point.Id).ToHashSet();
        kept.ShouldAllHold(id => keptOff.Contains(id));
    });

    [Fact]
    public void Decide_BasesWithTheirLog_EveryRestorableMomentOfThePromisedTimeStaysSo() => Gen.Select(Rules, Chains).Sample(
        (rule, points) =>
        {
            var kept = RetentionDecider.Decide(Asset, rule, Berlin, Now, points).Verdicts.Where(v => v.IsKept).Select(v => v.Point).ToArray();
            if (rule.ContinuousFor > TimeSpan.Zero)
            {
                // Ends of log, and moments between them: what some base led to before is led to by one that stays.
                var begin = Now - rule.ContinuousFor;
                var moments = points.SelectMany(p => new[] { p.Instant, p.LogUntil ?? p.Instant, p.Instant + (((p.LogUntil ?? p.Instant) - p.Instant) / 2) }).Append(begin).Where(m => m >= begin && m <= Now);
                moments.Where(m => points.Any(p => LeadsTo(p, m))).ShouldAllHold(m => kept.Any(p => LeadsTo(p, m)));
                points.Where(p => p.LogUntil is null && p.Instant >= begin).ShouldAllHold(p => kept.Contains(p), "nobody knows what they lead to");
            }
        },
        iter: 3_000);

    [Fact]
    public void Decide_HourlyBasesForAMonth_KeepsOneOfEachRunOfLogAndNeverLosesAMoment()
    {
        var rule = new RetentionRule { KeepLast = 1, KeepDaily = 2, ContinuousFor = TimeSpan.FromDays(3) };
        var start = Now.AddDays(-30);
        // The log broke once, on the twentieth day, for half a day.
        var gap = (From: start.AddDays(20), Until: start.AddDays(20.5));
        var held = new List<RetentionPoint>();
        for (var at = start; at <= Now; at = at.AddHours(1))
        {
            held.Add(new RetentionPoint($"{at:yyyyMMddHH}", at, at));
            var known = held.Select(p => p with { LogUntil = p.Instant < gap.From ? (at < gap.From ? at : gap.From) : p.Instant < gap.Until ? p.Instant : at }).ToArray();
            held = [.. RetentionDecider.Decide(Asset, rule, Berlin, at, known).Verdicts.Where(v => v.IsKept).Select(v => v.Point).OrderBy(p => p.Instant)];
            for (var moment = at - rule.ContinuousFor; moment <= at; moment = moment.AddMinutes(30))
            {
                (moment < start || (moment > gap.From && moment < gap.Until) || held.Any(p => LeadsTo(p, moment))).ShouldBeTrue($"{moment:u} at {at:u}");
            }
        }

        held.Count.ShouldBeLessThanOrEqualTo(5, "one that leads into the time, two days' newest, the newest, the last before the day's change");
    }

    [Fact]
    public void Decide_LogThatClaimsTheFuture_SaysNothing()
    {
        var points = Enumerable.Range(0, 10).Select(h => new RetentionPoint($"p{h}", Now.AddHours(-h), Now.AddHours(-h), LogUntil: h == 9 ? Now.AddYears(1) : Now)).ToArray();
        var kept = RetentionDecider.Decide(Asset, new RetentionRule { KeepLast = 1, ContinuousFor = TimeSpan.FromDays(1) }, Berlin, Now, points).Verdicts.Where(v => v.IsKept).Select(v => v.Point.Id);
        kept.ShouldBe(["p0", "p8", "p9"], ignoreOrder: true);
    }

    [Fact]
    public void Decide_CatalogRebuiltToday_KeepsWhatTheSnapshotsDatesWant()
    {
        var points = Enumerable.Range(0, 400).Select(d => new RetentionPoint($"p{d:D3}", Now.AddDays(-d), Now)).ToArray();
        var rule = new RetentionRule { KeepLast = 1, KeepDaily = 7, KeepMonthly = 12 };
        var kept = RetentionDecider.Decide(Asset, rule, Berlin, Now, points).Verdicts.Where(v => v.IsKept).Select(v => v.Point.Id).ToHashSet();
        Enumerable.Range(0, 7).ShouldAllHold(d => kept.Contains($"p{d:D3}"));
        kept.Count.ShouldBe(7 + 10); // The newest of this month and of the last are among the seven days.
    }

    [Fact]
    public void Decide_DailyForTwoYears_TheRuleHoldsAtTheEndAsIfNothingHadBeenDeletedMeanwhile()
    {
        var rule = new RetentionRule { KeepLast = 2, KeepDaily = 7, KeepWeekly = 4, KeepMonthly = 12, KeepYearly = 3 };
        var all = new List<RetentionPoint>();
        var held = new List<RetentionPoint>();
        var start = Now.AddDays(-800);
        for (var day = 0; day <= 800; day++)
        {
            var at = start.AddDays(day);
            var point = new RetentionPoint($"p{day:D4}", at, at);
            all.Add(point);
            held.Add(point);
            held = [.. RetentionDecider.Decide(Asset, rule, Berlin, at, held).Verdicts.Where(v => v.IsKept).Select(v => v.Point)];
        }

        held.ShouldBe(RetentionDecider.Decide(Asset, rule, Berlin, Now, all).Verdicts.Where(v => v.IsKept).Select(v => v.Point), ignoreOrder: true);
        held.Count.ShouldBeInRange(20, 27);
    }

    [Fact]
    public void Decide_Frozen_NothingGoes() =>
        RetentionDecider.Decide(Asset, new RetentionRule { KeepLast = 1 }, Berlin, Now, Days(100), isFrozen: true).Deletions.ShouldBeEmpty();

    [Theory]
    [InlineData(90, PlanRefusal.None, false)]
    [InlineData(50, PlanRefusal.None, false)]
    [InlineData(49, PlanRefusal.DeletesTooMuch, true)]
    [InlineData(1, PlanRefusal.DeletesTooMuch, true)]
    public void Decide_PlanThatDeletesMuch_IsRefusedAndNeedsApproval(int keepLast, PlanRefusal refusal, bool approval)
    {
        var plan = RetentionDecider.Decide(Asset, new RetentionRule { KeepLast = keepLast }, Berlin, Now, Days(100));
        (plan.Refusal, plan.NeedsApproval).ShouldBe((refusal, approval));
        plan.Deletions.Select(p => p.Id).First().ShouldBe("p099");
    }

    [Fact]
    public void Decide_EveryPointGone_IsRefused() =>
        RetentionDecider.Decide(Asset, new RetentionRule { KeepLast = 0 }, Berlin, Now, Days(3)).Refusal.ShouldBe(PlanRefusal.DeletesEverything);

    private static RetentionPoint[] Days(int count) => [.. Enumerable.Range(0, count).Select(d => new RetentionPoint($"p{d:D3}", Now.AddDays(-d), Now.AddDays(-d)))];

    private static bool LeadsTo(RetentionPoint point, DateTimeOffset moment) => point.Instant <= moment && moment <= (point.LogUntil ?? point.Instant);

    private static DateTime Local(RetentionPoint point) => TimeZoneInfo.ConvertTime(point.Instant, Berlin).DateTime;

    private static void ShouldHoldNewest(HashSet<RetentionPoint> kept, RetentionPoint[] newestFirst, int count, Func<RetentionPoint, string> periodOf) =>
        newestFirst.GroupBy(periodOf).Take(count).ShouldAllHold(period => kept.Contains(period.First()));
}
