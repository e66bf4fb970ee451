using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>
/// Hold applications still while several assets are backed up: run hooks before, and keep in mind what undoes them. The job has succeeded when
/// everything is held; a <see cref="ReleaseOrder"/> ends it. The agent ends it by itself when the time is over, when it stops and when it starts.
/// </summary>
public sealed record HoldOrder : JobOrder
{
    /// <summary>The longest hold, in seconds.</summary>
    public const int SecondsMaxLimit = 24 * 60 * 60;

    /// <summary>For whose backup it is held; hooks see it as <c>BACKUP_RUN</c>.</summary>
    [JsonPropertyName("runId")] public required string RunId { get; init; }

    /// <summary>The group's name; hooks see it as <c>BACKUP_ASSET</c>.</summary>
    [JsonPropertyName("group")] public required string Group { get; init; }

    /// <summary>What holds and what lets go, in order.</summary>
    [JsonPropertyName("hooks")] public required BackupHooks Hooks { get; init; }

    /// <summary>After so many seconds the agent lets go by itself, 1 to <see cref="SecondsMaxLimit"/>.</summary>
    [JsonPropertyName("secondsMax")] public required int SecondsMax { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Hold;

    internal override void Check(ContractCheck check)
    {
        check.Name(RunId, "runId");
        check.Name(Group, "group");
        Hooks.Check(check);
        check.That(SecondsMax is >= 1 and <= SecondsMaxLimit, $"'secondsMax' must be 1 to {SecondsMaxLimit}");
    }
}

/// <summary>
/// Let go what a <see cref="HoldOrder"/> holds. The job succeeds only if it was held without a break until then: otherwise it fails with
/// <see cref="FailureCode.HoldLost"/>, and what was backed up meanwhile does not belong together.
/// </summary>
public sealed record ReleaseOrder : JobOrder
{
    /// <summary>The hold's order.</summary>
    [JsonPropertyName("hold")] public required OrderId Hold { get; init; }

    /// <inheritdoc/>
    [JsonIgnore] public override Operation Operation => Operation.Release;

    internal override void Check(ContractCheck check) => check.That(Hold != default, "'hold' must be present");
}
