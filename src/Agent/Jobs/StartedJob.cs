using Backup.AgentApi;

namespace Backup.Agent.Jobs;

/// <summary>What became of a job order.</summary>
internal readonly record struct Acceptance(ReplayVerdict Verdict, JobTicket Ticket);

/// <summary>A job whose turn has come.</summary>
/// <param name="Job">Which.</param>
/// <param name="Payload">What it is to do.</param>
/// <param name="Stop">What its work must obey.</param>
/// <param name="IsGivenUp">It killed the agent too often: it is not to be done, only to be cleared away after and ended.</param>
internal readonly record struct StartedJob(Job Job, OrderPayload Payload, CancellationToken Stop, bool IsGivenUp = false);
