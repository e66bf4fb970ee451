using Backup.AgentApi;

namespace Backup.Functions.Agents;

/// <summary>What an asset's service class means in the queue of its agent, where restores, backups and copies of all classes wait together.</summary>
public static class ClassUrgency
{
    private const int CriticalMax = 2;
    private const int OrdinaryMax = 6;

    /// <summary>The priority of a job.</summary>
    /// <param name="operation">What the job does.</param>
    /// <param name="classPriority">The service class's priority in the policy, 1 before 9; null when it is not known.</param>
    /// <returns>Null for what fits the operation. Restores are never less than urgent: somebody waits. Copies rank below the backups of their class.</returns>
    public static JobPriority? Of(Operation operation, int? classPriority) => (operation, classPriority) switch
    {
        (_, null) or (Operation.Restore or Operation.Survey, _) => null,
        (Operation.Backup, <= CriticalMax) => JobPriority.High,
        (Operation.Backup, <= OrdinaryMax) => JobPriority.Normal,
        (Operation.Backup, _) => JobPriority.Low,
        (_, <= CriticalMax) => JobPriority.Normal,
        _ => JobPriority.Low,
    };
}
