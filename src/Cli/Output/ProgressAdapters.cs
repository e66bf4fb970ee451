using Backup.Sources;
using Backup.Vault;

namespace Backup.Cli.Output;

/// <summary>Passes the progress of sources and of the vault on to the view.</summary>
internal static class ProgressAdapters
{
    public static IProgress<TransferProgress>? ForTransfer(this IProgress<WorkProgress>? view) => view is null ? null : new Transfer(view);

    public static IProgress<VaultProgress>? ForVault(this IProgress<WorkProgress>? view) => view is null ? null : new Objects(view);

    private sealed class Transfer(IProgress<WorkProgress> view) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => view.Report(new WorkProgress(value.BytesDone, value.BytesTotal, value.ItemsDone, "files"));
    }

    private sealed class Objects(IProgress<WorkProgress> view) : IProgress<VaultProgress>
    {
        public void Report(VaultProgress value) => view.Report(new WorkProgress(value.BytesDone, value.BytesTotal, value.ObjectsDone, "objects"));
    }
}
