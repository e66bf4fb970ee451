namespace Backup.Policy.Scheduling;

/// <summary>When something may start: a window, the days between blackouts, or several of those at once.</summary>
public sealed class StartCalendar
{
    /// <summary>At any time.</summary>
    public static readonly StartCalendar Always = new([]);

    // Each step moves past a close; two years of nightly windows need fewer.
    private const int StepsMax = 2_000;

    // A calendar is asked about the same few days thousands of times; more openings would only make looking longer.
    private const int OpeningsKept = 8;

    private readonly IReadOnlyList<Func<DateTimeOffset, Opening?>> _constraints;
    private Known? _known;

    private StartCalendar(IReadOnlyList<Func<DateTimeOffset, Opening?>> constraints) => _constraints = constraints;

    /// <summary>True when nothing ever forbids a start.</summary>
    public bool IsAlways => _constraints.Count == 0;

    /// <summary>The calendar of an asset of that site: open where its window and the site's blackout days both allow.</summary>
    public static StartCalendar Of(Site site, BackupWindow? window, bool ignoresBlackout)
    {
        var constraints = new List<Func<DateTimeOffset, Opening?>>();
        if (window is not null)
        {
            constraints.Add(from => window.Next(from, site.TimeZone));
        }

        if (!ignoresBlackout && !site.Blackout.IsEmpty)
        {
            constraints.Add(from => site.Blackout.Next(from, site.TimeZone));
        }

        return constraints.Count == 0 ? Always : new StartCalendar(constraints);
    }

    /// <summary>Open where all of them are.</summary>
    public static StartCalendar Both(IEnumerable<StartCalendar> calendars) => new([.. calendars.SelectMany(c => c._constraints)]);

    /// <summary>True when something may start at that instant.</summary>
    public bool IsOpen(DateTimeOffset now) => Next(now)?.Opens <= now;

    /// <summary>The opening that holds the instant, from then on, or the first one after it; null when there is none within about two years.</summary>
    public Opening? Next(DateTimeOffset from)
    {
        if (IsAlways)
        {
            return new Opening(from, DateTimeOffset.MaxValue);
        }

        // What is kept is only ever replaced as a whole, so two threads at worst look something up twice.
        if (_known is not { } known || from < known.From || from >= known.Until)
        {
            _known = known = LookUp(from);
        }

        foreach (var opening in known.Openings)
        {
            if (from < opening.Closes)
            {
                return opening with { Opens = Later(from, opening.Opens) };
            }
        }

        return null;
    }

    private Known LookUp(DateTimeOffset from)
    {
        var openings = new List<Opening>();
        var at = from;
        while (openings.Count < OpeningsKept)
        {
            if (Find(at) is not { } opening)
            {
                return new Known(from, DateTimeOffset.MaxValue, [.. openings]);
            }

            openings.Add(opening);
            at = opening.Closes;
            if (at == DateTimeOffset.MaxValue)
            {
                break;
            }
        }

        return new Known(from, at, [.. openings]);
    }

    private Opening? Find(DateTimeOffset from)
    {
        var at = from;
        for (var step = 0; step < StepsMax; step++)
        {
            var common = new Opening(at, DateTimeOffset.MaxValue);
            foreach (var constraint in _constraints)
            {
                if (constraint(at) is not { } opening)
                {
                    return null;
                }

                common = new Opening(Later(common.Opens, opening.Opens), Earlier(common.Closes, opening.Closes));
            }

            if (common.Opens < common.Closes)
            {
                return common;
            }

            at = common.Opens;
        }

        return null;
    }

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    /// <summary>The openings from one instant until another, in order.</summary>
    private sealed record Known(DateTimeOffset From, DateTimeOffset Until, Opening[] Openings);
}
