using System.Text.Json.Serialization;
using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Restores;

namespace Backup.Functions.Archive;

/// <summary>A restore from an archive tier to plan or to run: of one recovery point, or of all of a group point. Plain data: the input of orchestrations.</summary>
public sealed record ArchiveRequest
{
    /// <summary>The restore that it comes to, or the first of a group's; its task names the replica.</summary>
    public required RestoreRequest Restore { get; init; }

    /// <summary>The others of a group's, in their order.</summary>
    public RestoreRequest[] Others { get; init; } = [];

    /// <summary>The id of a group's; null for a single restore, whose own id it is.</summary>
    public string? GroupId { get; init; }

    /// <summary>How often the storage is asked.</summary>
    public required ArchivePatience Patience { get; init; }

    /// <summary>Its id.</summary>
    [JsonIgnore]
    public string Id => GroupId ?? Restore.Task.Restore;

    /// <summary>All restores that it comes to, in their order.</summary>
    [JsonIgnore]
    public RestoreRequest[] Restores => [Restore, .. Others];
}

/// <summary>How long to wait for the archive.</summary>
public sealed record ArchivePatience
{
    /// <summary>Five minutes: the quickest rehydration takes most of an hour.</summary>
    public const int PollSecondsDefault = 300;

    /// <summary>The longest wait between two looks, as a multiple of the first: an hour, as a rule.</summary>
    public const int PollFactorMax = 12;

    /// <summary>Three times what the provider promises for standard priority: by then a person has to look.</summary>
    public static readonly TimeSpan WaitMax = TimeSpan.FromHours(45);

    /// <summary>Milliseconds before the second look; doubled while nothing new is ready.</summary>
    public int PollMilliseconds { get; init; } = PollSecondsDefault * 1000;
}

/// <summary>A restore under way, and how far it is.</summary>
public sealed record ArchiveRun
{
    /// <summary>What was asked for.</summary>
    public required ArchiveRequest Request { get; init; }

    /// <summary>When it began; null before.</summary>
    public DateTime? BeganAt { get; init; }

    /// <summary>Names the agent's next job.</summary>
    public int Round { get; init; }

    /// <summary>Packs that could be read at the last look.</summary>
    public int PacksReady { get; init; }

    /// <summary>How those members ended that were restored whole, the first ones.</summary>
    public RestoreEnding[] Endings { get; init; } = [];

    /// <summary>Packs that could be read when the last part was restored.</summary>
    public int PacksRestored { get; init; }

    /// <summary>Looks in a row that found nothing new.</summary>
    public int IdleLooks { get; init; }

    /// <summary>Somebody asked to stop.</summary>
    public bool IsCancelRequested { get; init; }
}

/// <summary>Surveys to turn into a plan.</summary>
/// <param name="Request">Of what.</param>
/// <param name="Members">One of each restore, in their order.</param>
public sealed record SurveyEnding(ArchiveRequest Request, SurveyedMember[] Members);

/// <summary>What an agent found.</summary>
/// <param name="Report">Its report; null when it failed.</param>
/// <param name="Failure">Why there is none.</param>
public sealed record SurveyedMember(JobReport? Report, JobFailure? Failure);

/// <summary>What a look at the archive found.</summary>
/// <param name="Ready">Packs that can be read.</param>
/// <param name="Requested">Packs on their way.</param>
/// <param name="Left">Packs that have still to be asked for.</param>
/// <param name="Lost">Packs that are not there at all.</param>
/// <param name="Problem">Why nothing could be seen or asked for; null when all went well.</param>
/// <param name="IsTransient">The problem may pass.</param>
public sealed record ArchiveLook(int Ready, int Requested, int Left, int Lost, JobFailure? Problem = null, bool IsTransient = false)
{
    /// <summary>Somebody wants the restore stopped: nothing was looked at.</summary>
    public bool IsCancelRequested { get; init; }

    /// <summary>So many members, the first ones, have all their packs ready.</summary>
    public int MembersReady { get; init; }

    /// <summary>All packs.</summary>
    [JsonIgnore]
    public int Total => Ready + Requested + Left;
}

/// <summary>How an archive restore ends.</summary>
/// <param name="Request">Which.</param>
/// <param name="Endings">How each of its restores ends.</param>
public sealed record ArchiveEnding(ArchiveRequest Request, RestoreEnding[] Endings);
