using Backup.Catalog.Protection;
using Backup.Catalog.Signals;
using Backup.Functions.Protection;
using Backup.Policy;
using Backup.Policy.Signals;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>How well an asset is protected, now and since when. Nothing here changes anything.</summary>
/// <param name="policy">What is promised.</param>
/// <param name="assessment">Computes 3-2-1-1-0.</param>
/// <param name="history">What it was.</param>
/// <param name="signals">What runs showed.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class ProtectionHttp(
    PolicyDocument policy, ProtectionAssessment assessment, ProtectionStore history, SignalStore signals, ILogger<ProtectionHttp> logger)
{
    private const int SignalsShownMax = 20;

    /// <summary>The 3-2-1-1-0 rule for the asset's newest recovery point, the newest signals of its runs, and whether it is frozen.</summary>
    [Function(nameof(GetProtection))]
    public Task<IResult> GetProtection([HttpTrigger(AuthorizationLevel.Function, "get", Route = "assets/{name}/protection")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var asset = Find(policy, name);
            var (state, point) = await assessment.AssessAsync(asset, cancel).ConfigureAwait(false);
            var freeze = await signals.FindFreezeAsync(asset.Name, cancel).ConfigureAwait(false);
            var shown = await signals.ListAsync(asset.Name, SignalsShownMax, cancel).ConfigureAwait(false);
            return HttpAnswer.Ok(new ProtectionView(
                asset.Name.Value, point?.Value, state.IsKept, state.Copies, state.Media, state.Offsite, state.Immutable, state.Errors, state.RestoreProvenAt, state.Missing,
                FreezeView.Of(freeze), [.. shown.Select(s => new SignalView(s.Run.Value, s.Signal.Kind, s.Signal.Value, s.Signal.Usual, s.At))]));
        });

    /// <summary>How the asset's 3-2-1-1-0 changed, newest first; <c>?limit=</c>.</summary>
    [Function(nameof(GetProtectionHistory))]
    public Task<IResult> GetProtectionHistory([HttpTrigger(AuthorizationLevel.Function, "get", Route = "assets/{name}/protection/history")] HttpRequest request, string name, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var asset = Find(policy, name);
            var rows = await history.ListAsync(asset.Name, HttpInput.Page(request).Limit, cancel).ConfigureAwait(false);
            return HttpAnswer.Ok(new PageView<ProtectionRecordView>(
                [.. rows.Select(r => new ProtectionRecordView(r.At, r.RecoveryPoint?.Value, r.State.IsKept, r.State.Copies, r.State.Media, r.State.Offsite, r.State.Immutable, r.State.Errors, r.State.Missing))], null));
        });

    internal static Asset Find(PolicyDocument policy, string name) =>
        policy.FindAsset(new AssetName(name)) ?? throw HttpInput.NotFound($"The policy has no asset \"{name}\".", "GET /api/assets lists them.");

    private sealed record SignalView(string Run, SignalKind Kind, double Value, double Usual, DateTimeOffset At);

    private sealed record ProtectionView(
        string Asset, string? RecoveryPoint, bool IsKept, int Copies, int Media, int Offsite, int Immutable, int? Errors, DateTimeOffset? RestoreProvenAt,
        IReadOnlyList<string> Missing, FreezeView? Freeze, IReadOnlyList<SignalView> Signals);

    private sealed record ProtectionRecordView(
        DateTimeOffset At, string? RecoveryPoint, bool IsKept, int Copies, int Media, int Offsite, int Immutable, int? Errors, IReadOnlyList<string> Missing);
}

/// <summary>A freeze, as shown.</summary>
internal sealed record FreezeView(string Run, string Why, DateTimeOffset FrozenAt)
{
    public static FreezeView? Of(AssetFreeze? freeze) => freeze is null ? null : new FreezeView(freeze.Run.Value, freeze.Why, freeze.FrozenAt);
}
