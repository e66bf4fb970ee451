using Backup.AgentApi;
using Backup.Vault;

namespace Backup.Agent.Work;

/// <summary>Tells what the vault says of its progress as a job's.</summary>
/// <param name="progress">Hears it.</param>
/// <param name="phase">What the job calls it.</param>
internal sealed class VaultNote(IProgress<JobProgress> progress, string phase) : IProgress<VaultProgress>
{
    public void Report(VaultProgress value) => progress.Report(new JobProgress
    {
        Phase = phase,
        BytesDone = value.BytesDone,
        BytesTotal = value.BytesTotal,
        ItemsDone = value.ObjectsDone,
    });
}
