using System.Globalization;

namespace Backup.Sources.Postgres.Recovery;

/// <summary>Where recovery stops.</summary>
public enum RecoveryTargetKind
{
    /// <summary>At the end of the log.</summary>
    Latest,

    /// <summary>As soon as the cluster is consistent: at the end of the base backup.</summary>
    Immediate,

    /// <summary>At a time, by the clock of the server at its commits.</summary>
    Time,

    /// <summary>At a position in the log.</summary>
    Position,

    /// <summary>At a restore point made by pg_create_restore_point.</summary>
    Name,

    /// <summary>At the end of a transaction.</summary>
    Transaction,
}

/// <summary>The state that a cluster is to be brought to.</summary>
public sealed record RecoveryTarget
{
    private RecoveryTarget(RecoveryTargetKind kind) => Kind = kind;

    /// <summary>Everything that the vault has.</summary>
    public static RecoveryTarget Latest { get; } = new(RecoveryTargetKind.Latest);

    /// <summary>The base backup, as soon as it is consistent.</summary>
    public static RecoveryTarget Immediate { get; } = new(RecoveryTargetKind.Immediate);

    /// <summary>Which of the others counts.</summary>
    public RecoveryTargetKind Kind { get; }

    /// <summary>For <see cref="RecoveryTargetKind.Time"/>.</summary>
    public DateTimeOffset Time { get; private init; }

    /// <summary>For <see cref="RecoveryTargetKind.Position"/>.</summary>
    public Lsn Position { get; private init; }

    /// <summary>For <see cref="RecoveryTargetKind.Name"/>.</summary>
    public string Name { get; private init; } = "";

    /// <summary>For <see cref="RecoveryTargetKind.Transaction"/>: the 32 bits that the log has.</summary>
    public uint TransactionId { get; private init; }

    /// <summary>What is exactly at the target is replayed too. Has a meaning for times, positions and transactions.</summary>
    public bool IsInclusive { get; init; } = true;

    /// <summary>Up to a time.</summary>
    public static RecoveryTarget At(DateTimeOffset time) => new(RecoveryTargetKind.Time) { Time = time.ToUniversalTime() };

    /// <summary>Up to a position.</summary>
    public static RecoveryTarget At(Lsn position) => new(RecoveryTargetKind.Position) { Position = position };

    /// <summary>Up to a restore point.</summary>
    public static RecoveryTarget AtRestorePoint(string name) => new(RecoveryTargetKind.Name) { Name = name };

    /// <summary>Up to a transaction's end.</summary>
    public static RecoveryTarget AtTransaction(uint id) => new(RecoveryTargetKind.Transaction) { TransactionId = id };

    /// <summary>As a person says it.</summary>
    public override string ToString() => Kind switch
    {
        RecoveryTargetKind.Latest => "the end of the log",
        RecoveryTargetKind.Immediate => "the end of the base backup",
        RecoveryTargetKind.Time => string.Create(CultureInfo.InvariantCulture, $"{Side} {Time:yyyy-MM-dd HH:mm:ss.FFFFFF} UTC"),
        RecoveryTargetKind.Position => $"{Side} the log position {Position}",
        RecoveryTargetKind.Name => $"the restore point \"{Name}\"",
        _ => string.Create(CultureInfo.InvariantCulture, $"{Side} transaction {TransactionId}"),
    };

    private string Side => IsInclusive ? "after" : "before";
}

/// <summary>Which of a cluster's timelines is followed.</summary>
/// <param name="Number">A certain one, or null.</param>
/// <param name="IsCurrent">The base backup's own; else, without a number, the youngest that comes from it.</param>
public readonly record struct TimelineChoice(uint? Number, bool IsCurrent)
{
    /// <summary>The youngest that comes from the base backup.</summary>
    public static TimelineChoice Latest => default;

    /// <summary>Reads <c>latest</c>, <c>current</c> or a number.</summary>
    public static bool TryParse(string text, out TimelineChoice choice)
    {
        choice = default;
        switch (text)
        {
            case "latest":
                return true;
            case "current":
                choice = new TimelineChoice(null, IsCurrent: true);
                return true;
            default:
                var isNumber = uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0;
                choice = new TimelineChoice(number, IsCurrent: false);
                return isNumber;
        }
    }
}

/// <summary>What the server does at the target.</summary>
public enum RecoveryAction
{
    /// <summary>Ends recovery and serves, on a new timeline.</summary>
    Promote,

    /// <summary>Waits, readable, until a person calls pg_wal_replay_resume.</summary>
    Pause,

    /// <summary>Stops, ready to be started in another way.</summary>
    Shutdown,
}
