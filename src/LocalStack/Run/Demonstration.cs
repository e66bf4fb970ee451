using System.Globalization;
using Backup.LocalStack.Comparison;
using Backup.LocalStack.Progress;
using Backup.LocalStack.SampleData;
using Backup.LocalStack.Services;

namespace Backup.LocalStack.Run;

/// <summary>What became of one asset: its backup, its copies and its restores.</summary>
internal sealed record AssetResult(ProtectedAsset Asset, RunInfo Run, RecoveryPointInfo? Point, IReadOnlyList<RestoreResult> Restores)
{
    /// <summary>The asset at the end: what it may lose, and for a database whose log is received what it would lose now.</summary>
    public AssetInfo? Now { get; init; }

    /// <summary>Backed up, restored at least once, and every restore verified.</summary>
    public bool IsProven => Point is not null && Restores.Count > 0 && Restores.All(r => r.Verdict.IsVerified);
}

/// <summary>One restore and what comparing it showed.</summary>
/// <param name="From">The vault, or the tier whose replica was read.</param>
/// <param name="Duration">From asking for it to its end.</param>
/// <param name="Verdict">The comparison.</param>
internal sealed record RestoreResult(string From, TimeSpan Duration, RestoreVerdict Verdict);

/// <summary>The demonstration: one fleet backup by the timer, restores of everything, comparisons.</summary>
internal sealed class Demonstration : IAsyncDisposable
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan TimerPatience = TimeSpan.FromSeconds(20);

    private readonly Stack _stack;
    private readonly Board _board;
    private readonly TimeProvider _time;
    private readonly ObservationWriter _writer;
    private readonly DateTimeOffset _began;
    private readonly ControlPlane _control;

    private Demonstration(Stack stack, Board board, TimeProvider time, ObservationWriter writer, string functionKey)
    {
        (_stack, _board, _time, _writer) = (stack, board, time, writer);
        _control = new ControlPlane(stack.FunctionsAddress, functionKey, time);
        _began = time.GetUtcNow();
    }

    /// <summary>Starts writing to the sample database. To be called before the schedule can fire.</summary>
    public static async Task<Demonstration> PrepareAsync(Stack stack, Board board, TimeProvider time, CancellationToken cancel)
    {
        var writer = await ObservationWriter.StartAsync(stack.SampleConnection, time, cancel).ConfigureAwait(false);
        try
        {
            return new Demonstration(stack, board, time, writer, await File.ReadAllTextAsync(stack.Secrets.FunctionKey, cancel).ConfigureAwait(false));
        }
        catch
        {
            await writer.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Waits for the backups, restores and compares.</summary>
    public async Task<IReadOnlyList<AssetResult>> RunAsync(CancellationToken cancel)
    {
        var runs = await Task.WhenAll(_stack.Assets.Select(asset => BackUpAsync(asset, cancel))).ConfigureAwait(false);
        if (_writer.Writing.IsFaulted)
        {
            await _writer.Writing.ConfigureAwait(false);
        }

        var results = await Task.WhenAll(runs.Select(run => RestoreAsync(run.Asset, run.Run, cancel))).ConfigureAwait(false);
        return await Task.WhenAll(results.Select(async result => result with { Now = await _control.AssetAsync(result.Asset.Name, cancel).ConfigureAwait(false) })).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _writer.DisposeAsync().ConfigureAwait(false);
        _control.Dispose();
    }

    /// <summary>Waits for the schedule to back the asset up; asks for it where the newest recovery point is too fresh for the schedule.</summary>
    private Task<(ProtectedAsset Asset, RunInfo Run)> BackUpAsync(ProtectedAsset asset, CancellationToken cancel) =>
        _board.StepAsync($"Back up {asset.Name}", async step =>
        {
            step.Say("waiting for the schedule");
            var run = await NewRunAsync(asset, _began + TimerPatience, cancel).ConfigureAwait(false);
            if (run is null)
            {
                step.Say("not due yet by its schedule: asked for");
                var id = await _control.StartBackupAsync(asset.Name, _time.GetUtcNow().ToString("yyyyMMdd'T'HHmmss", CultureInfo.InvariantCulture), cancel).ConfigureAwait(false);
                run = await _control.RunAsync(id, cancel).ConfigureAwait(false);
            }

            while (!run.HasEnded)
            {
                step.Say(run.State);
                await Task.Delay(PollInterval, _time, cancel).ConfigureAwait(false);
                run = await _control.RunAsync(run.Id, cancel).ConfigureAwait(false);
            }

            if (run.State == "succeeded")
            {
                step.Conclude(run.RequestedBy == "api" ? "on request" : "by the schedule");
            }
            else
            {
                step.Fail($"{run.State}: {run.Reason?.Text}");
            }

            return (asset, run);
        });

    private async Task<RunInfo?> NewRunAsync(ProtectedAsset asset, DateTimeOffset until, CancellationToken cancel)
    {
        while (_time.GetUtcNow() < until)
        {
            var runs = await _control.RunsAsync(asset.Name, cancel).ConfigureAwait(false);
            if (runs.Where(r => r.OpenedAt >= _began).MaxBy(r => r.OpenedAt) is { } found)
            {
                return found;
            }

            await Task.Delay(PollInterval, _time, cancel).ConfigureAwait(false);
        }

        return null;
    }

    private async Task<AssetResult> RestoreAsync(ProtectedAsset asset, RunInfo run, CancellationToken cancel)
    {
        var point = (await _control.RecoveryPointsAsync(asset.Name, cancel).ConfigureAwait(false)).FirstOrDefault(p => p.Run == run.Id);
        if (point is null)
        {
            return new AssetResult(asset, run, null, []);
        }

        // From the vault always; from a replica where there is one and the content is ours to judge exactly.
        List<string?> origins = [null];
        if (asset.IsSample && asset.Name != ProtectedAssets.HostConfiguration && point.Replicas is [var replica, ..])
        {
            origins.Add(replica.Tier);
        }

        // Meanwhile the log arrives.
        var later = asset.Name == ProtectedAssets.SampleDatabase ? RestoreToLaterAsync(asset, cancel) : null;
        List<RestoreResult> results = [];
        foreach (var tier in origins)
        {
            results.Add(await RestoreFromAsync(asset, point, tier, cancel).ConfigureAwait(false));
        }

        return new AssetResult(asset, run, point, later is null ? results : [.. results, await later.ConfigureAwait(false)]);
    }

    private Task<RestoreResult> RestoreToLaterAsync(ProtectedAsset asset, CancellationToken cancel) =>
        _board.StepAsync($"Restore {asset.Name} to a moment after its backup", async step => Tell(step, await new PointInTimeRestore(_stack, _control, _writer, _time).RunAsync(asset, step, cancel).ConfigureAwait(false)));

    private Task<RestoreResult> RestoreFromAsync(ProtectedAsset asset, RecoveryPointInfo point, string? tier, CancellationToken cancel)
    {
        var from = tier ?? "the vault";
        return _board.StepAsync($"Restore {asset.Name} from {from} and compare", async step =>
        {
            var target = Path.Combine(_stack.Folders.Restores, $"{asset.Name}-{tier ?? "vault"}");
            foreach (var earlier in (string[])[target, target + ".tablespaces"])
            {
                await RemoveTree.IfExistsAsync(earlier, cancel).ConfigureAwait(false);
            }

            var asked = _time.GetTimestamp();
            var restore = await _control.RestoreToEndAsync(new RestoreWish(asset.Name, target, point.Id, tier, Prove: asset.IsDatabase), step.Say, cancel).ConfigureAwait(false);
            var duration = _time.GetElapsedTime(asked);
            // A database whose proof failed is restored in part: what the proof says tells more.
            if (restore.State != "succeeded" && restore.Proof is null)
            {
                return Tell(step, new RestoreResult(from, duration, new RestoreVerdict("nothing", [$"the restore {restore.State}: {restore.Reason?.Text}"])));
            }

            step.Say("comparing");
            var verdict = asset.IsDatabase
                ? RestoreVerdict.OfProof(restore)
                : await Task.Run(() => RestoreVerdict.OfTree(asset.Original!, RestoredFolder(target, asset), asset.IsSample ? null : point.ReadingBeganAt), cancel).ConfigureAwait(false);
            return Tell(step, new RestoreResult(from, duration, verdict));
        });
    }

    private static RestoreResult Tell(Step step, RestoreResult result)
    {
        if (result.Verdict.IsVerified)
        {
            step.Conclude(result.Verdict.Proof);
        }
        else
        {
            step.Fail(string.Join("; ", result.Verdict.Differences));
        }

        return result;
    }

    private static string RestoredFolder(string target, ProtectedAsset asset) => target + asset.Original;
}
