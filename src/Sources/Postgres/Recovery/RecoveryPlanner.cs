using System.Globalization;
using Backup.Sources.Postgres.Wal;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Recovery;

/// <summary>Finds the base backup and the log that lead to a goal, before anything is touched.</summary>
internal sealed class RecoveryPlanner(VaultReader reader, IReadOnlyList<SnapshotInfo> snapshots, RecoveryRequest request)
{
    private readonly WalSource _source = new(reader, WalHoldings.Of(request.Asset, snapshots));
    private readonly IReadOnlyList<BaseBackup> _backups = BaseBackup.Of(request.Asset, snapshots);

    /// <exception cref="SourcesException">TargetUnreachable: says what can be restored instead.</exception>
    internal async Task<RecoveryPlan> PlanAsync(CancellationToken cancel)
    {
        var candidates = _backups.Where(backup => request.BaseBackup is null || backup.Snapshot.Id == request.BaseBackup).Reverse().ToList();
        if (candidates.Count == 0)
        {
            throw new SourcesException(
                SourcesFault.TargetUnreachable,
                request.BaseBackup is { } wanted ? $"Snapshot {wanted} is no base backup of '{request.Asset}'." : $"The vault holds no base backup of '{request.Asset}'.",
                "List them with 'backupctl snapshots'.");
        }

        var reasons = new List<string>();
        RecoveryPlan? partial = null;
        foreach (var backup in candidates)
        {
            var (plan, reason) = await TryAsync(backup, cancel);
            if (plan is null)
                reasons.Add($"From the base backup of {Text(backup.Snapshot.ConsistentAt)}: {reason}.");
            else if (backup.IsPartial)
                partial ??= plan with { Note = Joined(plan.Note, $"That base backup is partial: {backup.Snapshot.ItemsUnreadable} of its files could not be read or have damaged pages.") };
            else if (partial is null)
                return plan;
            else if (ReachesAsFar(plan, partial))
                return plan with { Note = Joined(plan.Note, $"The base backup of {Text(partial.BaseBackupAt)} is younger but partial, and was passed over.") };
            // The state at the end of this one is not to be had from an older one.
            if (partial is not null && request.Goal.Kind == RecoveryTargetKind.Immediate)
                break;
        }

        if (partial is not null)
            return partial;

        // The youngest tells most; the others usually say the same.
        throw new SourcesException(
            SourcesFault.TargetUnreachable,
            $"'{request.Asset}' cannot be restored to {request.Goal}. {string.Join(' ', reasons.Distinct().Take(3))}",
            "See what can be restored with 'backupctl wal check'.");
    }

    /// <summary>Whether log leads from the older base backup to the same state: a page that was damaged on the server's disk only is whole again then.</summary>
    private bool ReachesAsFar(RecoveryPlan older, RecoveryPlan younger) =>
        request.Goal.Kind != RecoveryTargetKind.Latest || (older.Timeline == younger.Timeline && older.ReplayTo >= younger.ReplayTo);

    private static string Joined(string? note, string more) => note is null ? more : $"{note} {more}";

    private async Task<(RecoveryPlan? Plan, string Reason)> TryAsync(BaseBackup backup, CancellationToken cancel)
    {
        if (backup.MajorVersion is < RecoverySettings.VersionMin or > RecoverySettings.VersionMax)
            return (null, $"it is of PostgreSQL {backup.MajorVersion}, and recovery is known for {RecoverySettings.VersionMin} to {RecoverySettings.VersionMax}");
        if (_source.Holdings.SystemIdentifier is { } system && system != backup.SystemIdentifier)
            return (null, $"it is of cluster {backup.SystemIdentifier}, but the log is of cluster {system}");
        if (await FindPathAsync(backup, cancel) is not { } path)
            return (null, $"the vault has no history of timeline {request.Timeline.Number}");
        if (!TimelinePath.Leads(backup, path))
            return (null, $"timeline {path.Timeline} does not come from it");
        var segmentBytes = await _source.AddBackupAsync(backup, cancel);
        var end = _source.UnbrokenEnd(path, backup.Start, segmentBytes);
        if (end < backup.Stop)
            return (null, $"log is missing from {end} on, and the base backup needs it up to {backup.Stop}");
        var reach = new Reach(_source, backup, path, segmentBytes, end);
        var (goal, replayTo, note, problem) = await ReachAsync(reach, cancel);
        if (problem is not null)
            return (null, problem);
        var files = WalSegment.Range(path.Timeline, backup.Start, replayTo > backup.Start ? replayTo : backup.Stop, segmentBytes).LongCount();
        return (new RecoveryPlan
        {
            BaseBackup = backup.Snapshot.Id,
            BaseBackupAt = backup.Snapshot.ConsistentAt,
            BaseBackupBytes = backup.Snapshot.Statistics.BytesTotal,
            MajorVersion = backup.MajorVersion,
            Timeline = path.Timeline,
            ReplayFrom = backup.Start,
            ReplayTo = replayTo,
            WalFiles = files,
            WalBytes = files * segmentBytes,
            Note = note,
            Settings = RecoverySettings.For(request, goal, path.Timeline),
        }, "");
    }

    private async Task<TimelineHistory?> FindPathAsync(BaseBackup backup, CancellationToken cancel) => request.Timeline switch
    {
        { Number: { } number } => number == backup.Timeline ? await TimelinePath.OfAsync(_source, number, cancel) : await _source.FindHistoryAsync(number, cancel),
        { IsCurrent: true } => await TimelinePath.OfAsync(_source, backup.Timeline, cancel),
        _ => await TimelinePath.LatestAsync(_source, backup, cancel),
    };

    /// <summary>Whether the goal lies within, and what the server is told: what lies exactly at the end of the log is asked for as the end.</summary>
    private async Task<(RecoveryTarget Goal, Lsn ReplayTo, string? Note, string? Problem)> ReachAsync(Reach reach, CancellationToken cancel)
    {
        var goal = request.Goal;
        switch (goal.Kind)
        {
            case RecoveryTargetKind.Latest:
                return (goal, reach.End, null, null);
            case RecoveryTargetKind.Immediate:
                return (goal, reach.Backup.Stop, null, null);
            case RecoveryTargetKind.Position when goal.Position < reach.Backup.Stop:
                return (goal, default, null, $"it ends at {reach.Backup.Stop}, behind that position");
            case RecoveryTargetKind.Position:
                var end = await reach.EndOfRecordsAsync(cancel);
                // The server stops at a record that begins there or later; at the very end there is none, and it would call that a failure.
                return goal.Position < end ? (goal, goal.Position, null, null)
                    : goal.Position == end ? (RecoveryTarget.Latest, end, "The position is the end of the log: everything is replayed.", null)
                    : (goal, default, null, $"the log ends at {end}");
            case RecoveryTargetKind.Time:
                return await ReachTimeAsync(reach, goal, cancel);
            case RecoveryTargetKind.Name:
                return await reach.FindAsync(record => record.Kind == WalRecordKind.RestorePoint && record.Name == goal.Name, reach.KnownRestorePoint(goal.Name), cancel) is { } point
                    ? (goal, point, null, null)
                    : (goal, default, null, $"no restore point of that name lies between {reach.Backup.Stop} and {reach.End}");
            default:
                return await reach.FindAsync(record => record.Kind is WalRecordKind.Commit or WalRecordKind.Abort && record.TransactionId == goal.TransactionId, null, cancel) is { } ended
                    ? (goal, ended, null, null)
                    : (goal, default, null, $"that transaction did not end between {reach.Backup.Stop} and {reach.End}");
        }
    }

    private static async Task<(RecoveryTarget Goal, Lsn ReplayTo, string? Note, string? Problem)> ReachTimeAsync(Reach reach, RecoveryTarget goal, CancellationToken cancel)
    {
        if (goal.Time < reach.Backup.Snapshot.ConsistentAt)
            return (goal, default, null, $"it was finished at {Text(reach.Backup.Snapshot.ConsistentAt)}, after that time");
        var last = await reach.LastCommitAsync(cancel);
        // The server stops at the first commit behind the time; without one it would call that a failure.
        if (last > goal.Time)
            return (goal, reach.KnownCommitAfter(goal.Time), null, null);
        return goal.Time <= reach.KnownUntil
            ? (RecoveryTarget.Latest, reach.End, $"Nothing was committed between {(last is { } time ? Text(time) : "the base backup")} and that time: everything is replayed.", null)
            : (goal, default, null, $"the newest restorable moment is {Text(reach.KnownUntil)}");
    }

    private static string Text(DateTimeOffset time) => time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss.FFFFFF 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>What one base backup leads to.</summary>
    private sealed class Reach(WalSource source, BaseBackup backup, TimelineHistory path, int segmentBytes, Lsn end)
    {
        internal BaseBackup Backup => backup;

        /// <summary>Up to here bytes are held.</summary>
        internal Lsn End => end;

        /// <summary>Snapshots of log on the path and within reach.</summary>
        private IEnumerable<(WalFacts Facts, SnapshotInfo Snapshot)> Within => source.Holdings.Snapshots.Where(held =>
            held.Facts.End.Value > 0 && held.Facts.End <= end && path.EndOf(held.Facts.Timeline) is { } left && held.Facts.End <= left && held.Facts.End > backup.Start);

        /// <summary>The state at the end was that of this moment.</summary>
        internal DateTimeOffset KnownUntil => Within.Select(held => held.Snapshot.ConsistentAt).Append(backup.Snapshot.ConsistentAt).Max();

        /// <summary>The log up to here has a commit after that time, for all that is known without reading it.</summary>
        internal Lsn KnownCommitAfter(DateTimeOffset time) =>
            Within.Where(held => held.Facts.LastCommit > time && held.Facts.End > backup.Stop).Select(held => (Lsn?)held.Facts.End).Min() ?? end;

        internal Lsn? KnownRestorePoint(string name) => Within
            .SelectMany(held => RestorePointProperty.Read(held.Snapshot))
            .Where(point => point.Name == name && point.End >= backup.Stop)
            .Select(point => (Lsn?)point.End)
            .Min();

        internal async Task<DateTimeOffset?> LastCommitAsync(CancellationToken cancel)
        {
            if (Within.Select(held => held.Facts.LastCommit).Max() is { } known)
                return known;
            DateTimeOffset? last = null;
            await WalCheck.ScanAsync(source, backup, path, segmentBytes, record => last = record.Kind == WalRecordKind.Commit ? record.Time ?? last : last, cancel);
            return last;
        }

        internal async Task<Lsn> EndOfRecordsAsync(CancellationToken cancel)
        {
            // The last whole record may begin in the file before.
            var last = WalSegment.Holding(path.Timeline, new Lsn(end.Value - 1), segmentBytes);
            var from = last.Number == 0 ? last.Start : new Lsn(Math.Max(backup.Start.Value, last.Start.Value - (ulong)segmentBytes));
            return (await WalCheck.ScanAsync(source, backup with { Start = from }, path, segmentBytes, static _ => { }, cancel)).End;
        }

        /// <summary>The end of the first fitting record behind the base backup; from the known place when there is one, else by reading the log.</summary>
        internal async Task<Lsn?> FindAsync(Func<WalRecord, bool> fits, Lsn? known, CancellationToken cancel)
        {
            if (known is not null)
                return known;
            Lsn? found = null;
            await WalCheck.ScanAsync(source, backup, path, segmentBytes, record =>
            {
                if (found is null && record.End > backup.Stop && fits(record))
                    found = record.End;
            }, cancel);
            return found;
        }
    }
}
