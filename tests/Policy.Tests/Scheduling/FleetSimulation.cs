using Backup.Policy.Scheduling;

namespace Backup.Policy.Tests.Scheduling;

/// <summary>What a simulated month came to, by priority of the class.</summary>
internal sealed record SimulatedMonth(int RunsTotal, IReadOnlyDictionary<int, int> Assets, IReadOnlyDictionary<int, int> Runs, IReadOnlyDictionary<int, int> Missed);

/// <summary>
/// Ticks a schedule each minute as the timer does, but visits only the minutes and units in which something happens. Decides by
/// <see cref="BackupSchedule.NextStart"/> and <see cref="LaneAdmission"/>, the two halves of <see cref="FleetSchedule.Plan"/>.
/// </summary>
internal sealed class FleetSimulation
{
    private static readonly TimeSpan Tick = TimeSpan.FromMinutes(1);

    private readonly FleetSchedule _schedule;
    private readonly Func<ScheduleUnit, TimeSpan> _durationOf;
    private readonly State[] _states;
    private readonly PriorityQueue<int, (DateTimeOffset, int)> _due = new();
    private readonly PriorityQueue<int, (DateTimeOffset, int)> _ends = new();
    private readonly Dictionary<Lanes, List<int>> _waiting = [];
    private readonly Occupancy _occupancy = new();
    private readonly Dictionary<int, int> _runs = [];
    private readonly Dictionary<int, int> _missed = [];

    /// <param name="policy">What to protect; no groups.</param>
    /// <param name="start">The first minute.</param>
    /// <param name="durationOf">How long the next run of a unit takes.</param>
    /// <param name="ageOf">How old each unit's newest point is at the start.</param>
    public FleetSimulation(PolicyDocument policy, DateTimeOffset start, Func<ScheduleUnit, TimeSpan> durationOf, Func<ScheduleUnit, TimeSpan> ageOf)
    {
        _schedule = new FleetSchedule(policy);
        _durationOf = durationOf;
        _states = [.. _schedule.Units.Select(unit => new State(unit, start - ageOf(unit), durationOf(unit)))];
        for (var i = 0; i < _states.Length; i++)
        {
            Enqueue(i, start);
        }
    }

    public SimulatedMonth Run(DateTimeOffset start, TimeSpan length)
    {
        // No site has a limit here, so agents do not depend on each other: only those at which something happened are asked.
        var stirred = new HashSet<Lanes>();
        var now = start;
        while (now < start + length)
        {
            stirred.Clear();
            while (_ends.TryPeek(out var i, out var at) && at.Item1 <= now)
            {
                _ends.Dequeue();
                Finish(i, at.Item1, now);
                stirred.Add(LanesOf(i));
            }

            while (_due.TryPeek(out var i, out var at) && at.Item1 <= now)
            {
                _due.Dequeue();
                WaitingFor(LanesOf(i)).Add(i);
                stirred.Add(LanesOf(i));
            }

            foreach (var lanes in stirred)
            {
                Start(lanes, WaitingFor(lanes), now);
            }

            now = NextMinute(now);
        }

        var assets = _states.GroupBy(s => s.Unit.Priority).ToDictionary(g => g.Key, g => g.Count());
        return new SimulatedMonth(_runs.Values.Sum(), assets, _runs, _missed);
    }

    private Lanes LanesOf(int i) => _states[i].Unit.Needs[0].Lanes;

    private List<int> WaitingFor(Lanes lanes) => _waiting.TryGetValue(lanes, out var waiting) ? waiting : _waiting[lanes] = [];

    private void Start(Lanes lanes, List<int> waiting, DateTimeOffset now)
    {
        if (_occupancy.On(lanes).Count == lanes.Total)
        {
            return;
        }

        var candidates = new Dictionary<Candidate, int>(ReferenceEqualityComparer.Instance);
        foreach (var i in waiting.ToArray())
        {
            var state = _states[i];
            if (BackupSchedule.NextStart(state.Unit, state.Facts, now) == now)
            {
                candidates.Add(_schedule.CandidateOf(state.Unit, state.Facts, now), i);
            }
            else
            {
                // Its window closed while it waited for a lane.
                waiting.Remove(i);
                Enqueue(i, now);
            }
        }

        foreach (var started in _schedule.Admit(now, candidates.Keys, _occupancy).Start)
        {
            var i = candidates[started];
            waiting.Remove(i);
            _states[i].Started = now;
            _states[i].Lane = new BusyLane(now + started.Expected, started.Expected);
            _occupancy.Add(lanes, _states[i].Lane);
            _ends.Enqueue(i, (now + _durationOf(started.Unit), i));
        }
    }

    private void Finish(int i, DateTimeOffset ended, DateTimeOffset now)
    {
        var state = _states[i];
        var priority = state.Unit.Priority;
        _occupancy.Remove(LanesOf(i), state.Lane);
        _runs[priority] = _runs.GetValueOrDefault(priority) + 1;
        // Until this very moment the newest point was the one before.
        if (ended - state.LastPoint > state.Unit.Rpo)
        {
            _missed[priority] = _missed.GetValueOrDefault(priority) + 1;
        }

        state.Remember(ended);
        Enqueue(i, now);
    }

    private void Enqueue(int i, DateTimeOffset now)
    {
        if (BackupSchedule.NextStart(_states[i].Unit, _states[i].Facts, now) is { } due)
        {
            _due.Enqueue(i, (due, i));
        }
    }

    /// <summary>The next whole minute in which something ends or comes due. Whoever waits only gets a turn then.</summary>
    private DateTimeOffset NextMinute(DateTimeOffset now)
    {
        var next = _ends.TryPeek(out _, out var end) ? end.Item1 : DateTimeOffset.MaxValue - Tick;
        next = _due.TryPeek(out _, out var due) && due.Item1 < next ? due.Item1 : next;
        var beyond = next.UtcTicks % Tick.Ticks;
        var minute = beyond == 0 ? next : next.AddTicks(Tick.Ticks - beyond);
        return minute > now ? minute : now + Tick;
    }

    private sealed class State(ScheduleUnit unit, DateTimeOffset lastPoint, TimeSpan duration)
    {
        private readonly List<TimeSpan> _durations = [duration];

        public ScheduleUnit Unit => unit;

        public DateTimeOffset LastPoint { get; private set; } = lastPoint;

        public DateTimeOffset? Started { get; set; }

        public BusyLane Lane { get; set; }

        public UnitFacts Facts => new(LastPoint, null, DurationEstimate.Of(_durations), 0, Started);

        public void Remember(DateTimeOffset ended)
        {
            _durations.Insert(0, ended - Started!.Value);
            if (_durations.Count > DurationEstimate.RunsMax)
            {
                _durations.RemoveAt(DurationEstimate.RunsMax);
            }

            (LastPoint, Started) = (Started.Value, null);
        }
    }
}
