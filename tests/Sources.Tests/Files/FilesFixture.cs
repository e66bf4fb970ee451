using Backup.Services.Testing;
using Backup.Sources.Files;
using Backup.Vault;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;

namespace Backup.Sources.Tests.Files;

/// <summary>A vault in memory, a scratch folder, and a clock an hour ahead: what the test has just written counts as old.</summary>
internal sealed class FilesFixture : IDisposable
{
    private readonly ScratchFolder _scratch = new("files");
    private readonly HourAhead _clock = new();
    private OpenVault? _vault;

    internal string Tree => Path("tree");

    internal string Path(string name) => _scratch.Combine(name);

    public void Dispose() => _scratch.Dispose();

    internal async Task<OpenVault> VaultAsync()
    {
        if (_vault is not null)
            return _vault;
        IObjectStore store = new MemoryObjectStore();
        var made = await VaultCreation.CreateAsync(store, TimeProvider.System, TestContext.Current.CancellationToken);
        return _vault = await OpenVault.OpenAsync(store, made.RestoreKey, TimeProvider.System, TestContext.Current.CancellationToken);
    }

    internal FilesBackupRequest Request(params string[] paths) => new() { Asset = "tree", Paths = paths.Length == 0 ? [Tree] : paths, CacheFolder = Path("cache") };

    internal async Task<BackupOutcome> BackupAsync(FilesBackupRequest? request = null, CancellationToken cancel = default) =>
        await new FilesSource(_clock).BackupAsync(await VaultAsync(), request ?? Request(), new WriterOptions(), null, cancel);

    internal async Task<RestoreOutcome> RestoreAsync(SnapshotId snapshot, FilesRestoreRequest request, IProgress<TransferProgress>? progress = null, CancellationToken cancel = default) =>
        await new FilesRestore(TimeProvider.System).RestoreAsync(await VaultAsync(), snapshot, request, progress, cancel);

    /// <summary>The tree's folder itself into a new place.</summary>
    internal Task<RestoreOutcome> RestoreTreeAsync(SnapshotId snapshot, string target) =>
        RestoreAsync(snapshot, new FilesRestoreRequest { Target = target, Subtree = Tree });

    private sealed class HourAhead : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddHours(1);
    }
}
