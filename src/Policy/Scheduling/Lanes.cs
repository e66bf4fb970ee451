namespace Backup.Policy.Scheduling;

/// <summary>The backups that an agent, or all agents of a site, may run at once.</summary>
internal sealed class Lanes(int total, Lanes? site)
{
    private readonly List<(int Priority, TimeSpan Rpo)> _users = [];

    public int Total => total;

    /// <summary>The limit of the agent's site, which holds as well; null when there is none.</summary>
    public Lanes? Site => site;

    /// <summary>Takes note of a unit that runs here, for <see cref="Blocked"/>.</summary>
    public void AddUser(int priority, TimeSpan rpo)
    {
        var known = _users.FindIndex(u => u.Priority == priority);
        if (known < 0)
        {
            _users.Add((priority, rpo));
        }
        else if (rpo < _users[known].Rpo)
        {
            _users[known] = (priority, rpo);
        }
    }

    /// <summary>How many classes of more important units here have an RPO of which <paramref name="share"/> is less than the run takes.</summary>
    /// <remarks>A run of unknown length blocks nobody: an asset that was never backed up must not wait beside an idle lane.</remarks>
    /// <returns>Their number, and the shortest of those shares.</returns>
    public (int Classes, TimeSpan Patience) Blocked(int priority, TimeSpan? expected, double share)
    {
        var (classes, patience) = (0, TimeSpan.MaxValue);
        foreach (var user in _users)
        {
            var shareOf = user.Rpo * share;
            if (user.Priority < priority && expected > shareOf)
            {
                classes++;
                patience = shareOf < patience ? shareOf : patience;
            }
        }

        return (classes, patience);
    }
}

/// <summary>A run under way.</summary>
/// <param name="End">When it is expected to end.</param>
/// <param name="Expected">How long it is expected to take in all; zero when nobody knows.</param>
internal readonly record struct BusyLane(DateTimeOffset End, TimeSpan Expected);

/// <summary>What runs now, for each agent and limited site.</summary>
internal sealed class Occupancy
{
    private static readonly List<BusyLane> Nothing = [];
    private readonly Dictionary<Lanes, List<BusyLane>> _busy = [];

    public IReadOnlyList<BusyLane> On(Lanes lanes) => _busy.GetValueOrDefault(lanes) ?? Nothing;

    public void Add(Lanes lanes, BusyLane run)
    {
        for (var at = lanes; at is not null; at = at.Site)
        {
            if (!_busy.TryGetValue(at, out var runs))
            {
                _busy.Add(at, runs = []);
            }

            runs.Add(run);
        }
    }

    public void Remove(Lanes lanes, BusyLane run)
    {
        for (var at = lanes; at is not null; at = at.Site)
        {
            _busy[at].Remove(run);
        }
    }
}
