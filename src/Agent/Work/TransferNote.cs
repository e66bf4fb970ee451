using Backup.AgentApi;
using Backup.Sources;

namespace Backup.Agent.Work;

/// <summary>Passes a source's progress on in the words of reports.</summary>
internal sealed class TransferNote(IProgress<JobProgress> progress) : IProgress<TransferProgress>
{
    public void Report(TransferProgress value) => progress.Report(new JobProgress
    {
        Phase = value.Phase switch
        {
            TransferPhase.Preparing => "preparing",
            TransferPhase.Copying => "copying",
            _ => "finishing",
        },
        BytesDone = value.BytesDone,
        BytesTotal = value.BytesTotal,
        ItemsDone = value.ItemsDone,
    });
}
