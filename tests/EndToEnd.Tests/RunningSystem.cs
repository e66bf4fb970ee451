using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Backup.LocalStack.Progress;
using Backup.LocalStack.Run;
using Backup.LocalStack.Services;
using Backup.Services.Testing;
using Shouldly;
using Spectre.Console;

[assembly: AssemblyFixture(typeof(Backup.EndToEnd.Tests.RunningSystem))]
// One stack for all: its processes are killed and restarted, so tests take turns.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Backup.EndToEnd.Tests;

/// <summary>The whole system as processes, with assets and vaults made to fail. Its schedule never fires: tests ask for backups.</summary>
public sealed class RunningSystem : IAsyncLifetime
{
    internal const string Big = "big-tree";
    internal const string MissingPath = "missing-path";
    internal const string Unreadable = "unreadable-file";
    internal const string WrongKey = "wrong-key";
    internal const string SmallDisk = "small-disk";
    internal const string Retained = "retained-tree";
    internal const string Grouped = "grouped-tree";
    internal const string Group = "catalogue";

    /// <summary>Persons with keys of their own; each key is the person's name.</summary>
    internal static readonly string[] Administrators = ["ada", "bea", "cyd"];

    /// <summary>Few points are kept of one class, few may go without persons, and never more than six of ten.</summary>
    private const string Policy = $$"""
        serviceClasses: [ { name: brief, rto: 1h, rpo: 1h, retention: { keepLast: 2 } } ]
        retention: { approvalAbovePoints: 2, percentMax: 60 }
        groups:
          - { name: {{Group}}, assets: [{{ProtectedAssets.SampleDatabase}}, {{Grouped}}] }
          - { name: {{ArchivedGroup}}, assets: [{{ArchivedBefore}}, {{Archived}}] }

        """;
    internal const string Copied = "copied-everywhere";
    internal const string Archived = "archived-tree";
    internal const string ArchivedBefore = "archived-settings";
    internal const string ArchivedGroup = "archived-study";

    private const int BigFiles = 60;
    internal const int BigFileBytes = 3 << 20;
    private const int CopiedFiles = 20;
    private const int CopiedFileBytes = 1 << 20;
    private const string Never = "0 0 0 29 2 *";

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>No fault here takes longer to end than this; beyond it something hangs, and a test that fails says more than one that waits.</summary>
    internal static readonly TimeSpan WaitMax = TimeSpan.FromMinutes(4);

    private readonly ScratchFolder _scratch = new("e2e");

    internal Stack Stack { get; private set; } = null!;

    internal ControlPlane Control { get; private set; } = null!;

    internal string BigTree => _scratch.Combine("big");

    internal string UnreadableTree => _scratch.Combine("unreadable");

    /// <summary>What the group's hooks did and when, a line each: a word and seconds since 1970.</summary>
    internal string HookLog => _scratch.Combine("hooks.log");

    internal string RetainedTree => _scratch.Combine("retained");

    /// <summary>The vault of the retained tree alone: what is in it comes from there.</summary>
    internal VaultPlace RetainedVault { get; private set; } = null!;
    internal string CopiedTree => _scratch.Combine("copied");

    internal string CopiedVault => _scratch.Combine("vault-copied");

    internal string SmallDiskVault => _scratch.Combine("vault-small-disk");

    internal string SmallDiskOriginal => _scratch.Combine("vault-small-disk.original");

    public async ValueTask InitializeAsync()
    {
        MakeTrees();
        var wrong = await NewVaultAsync("vault-of-another-key");
        var small = await NewVaultAsync("vault-small-disk.original");
        RetainedVault = await NewVaultAsync("vault-retained");
        var copied = await NewVaultAsync("vault-copied");
        var archived = await NewVaultAsync("vault-archived");
        Directory.CreateDirectory(SmallDiskVault);
        var options = new StackOptions
        {
            StateFolder = _scratch.Combine("state"),
            Timer = Never,
            ExtraAssets =
            [
                new(Big, BigTree, IsSample: false),
                new(MissingPath, _scratch.Combine("not-there"), IsSample: false),
                new(Unreadable, UnreadableTree, IsSample: false),
                new(WrongKey, UnreadableTree, IsSample: false) { Vault = "other" },
                new(SmallDisk, BigTree, IsSample: false) { Vault = "small" },
                new(Retained, RetainedTree, IsSample: false) { Vault = "retained", ServiceClass = "brief" },
                new(Grouped, BigTree, IsSample: false) { More = ", hooks: { before: [hold], after: [resume] }" },
                new(Copied, CopiedTree, IsSample: false) { Vault = "copied", More = ", replicateTo: [offsite-hot, second-node, second-region]" },
                new(Archived, BigTree, IsSample: false) { Vault = "archived", More = ", replicateTo: [deep]" },
                new(ArchivedBefore, CopiedTree, IsSample: false) { Vault = "archived", More = ", replicateTo: [deep]" },
            ],
            PolicySections = Policy,
            AgentSections = $$"""
                hooks:
                  hold: { command: [ /bin/sh, -c, "echo hold $(date +%s.%N) >> '{{HookLog}}'" ] }
                  resume: { command: [ /bin/sh, -c, "echo resume $(date +%s.%N) >> '{{HookLog}}'" ] }

                """,
            FunctionsSettings = new Dictionary<string, string>(Administrators.ToDictionary(name => $"Administrators__{name}", name => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))))
            {
                ["Archive__EmulatedSeconds"] = "1",
                ["Archive__PollSeconds"] = "1",
            },
            ExtraVaults = new Dictionary<string, VaultPlace>
            {
                // The folder of the main vault with the keys of another one.
                ["other"] = wrong with { Folder = new StackFolders(_scratch.Combine("state")).Vault },
                ["small"] = small with { Folder = SmallDiskVault },
                ["retained"] = RetainedVault,
                ["copied"] = copied,
                ["archived"] = archived,
            },
        };
        var quiet = new Board(AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(TextWriter.Null) }));
        Stack = await Stack.StartServicesAsync(options, quiet, CancellationToken.None);
        await Stack.StartProgramsAsync(CancellationToken.None);
        Control = new ControlPlane(Stack.FunctionsAddress, await File.ReadAllTextAsync(Stack.Secrets.FunctionKey), TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        Control?.Dispose();
        if (Stack is not null)
        {
            await Stack.DisposeAsync();
        }

        _scratch.Dispose();
    }

    /// <summary>Asks for a backup of its own.</summary>
    internal async Task<RunInfo> OrderAsync(string asset) =>
        new(await Control.StartBackupAsync(asset, Guid.NewGuid().ToString("N")[..24], Cancel), asset, "queued", DateTimeOffset.UtcNow, null, null, null);

    /// <summary>Waits for the end of a run, however long the faults make it take.</summary>
    internal async Task<RunInfo> EndOfAsync(RunInfo run)
    {
        await UntilAsync(async () => (run = await Control.RunAsync(run.Id, Cancel)).HasEnded);
        return run;
    }

    /// <summary>Polls a condition until it holds or <see cref="WaitMax"/> is over; a service that is being restarted may refuse meanwhile.</summary>
    internal static async Task UntilAsync(Func<Task<bool>> condition, [CallerArgumentExpression(nameof(condition))] string awaited = "")
    {
        using var limit = new CancellationTokenSource(WaitMax);
        while (!limit.IsCancellationRequested)
        {
            try
            {
                if (await condition())
                {
                    return;
                }
            }
            catch (HttpRequestException)
            {
                // The Functions app is down at the moment: the caller killed it and starts it again.
            }

            await Task.Delay(PollInterval, Cancel);
        }

        throw new TimeoutException($"Not within {WaitMax}: {awaited}");
    }

    /// <summary>Waits until the agent has written data of a new backup, and then stops it in its tracks: certainly in the middle.</summary>
    internal async Task PauseAgentMidBackupAsync(RunInfo run, Func<bool>? hasBegun = null)
    {
        // Others write as well, the receiver of the database's log for one: only a backup of the big tree stores this much.
        var before = VaultBytes();
        await UntilAsync(() => Task.FromResult(VaultBytes() > before + (4 * BigFileBytes) && (hasBegun?.Invoke() ?? true)));
        Stack.Agent.Child.Pause();
        (await Control.RecoveryPointsAsync(run.Asset, Cancel)).ShouldNotContain(p => p.Run == run.Id, "the backup ended before it could be interrupted: the tree is too small");
    }

    /// <summary>Gives the big tree content the vault has never seen.</summary>
    internal void RewriteBigTree()
    {
        foreach (var file in Directory.EnumerateFiles(BigTree))
        {
            File.WriteAllBytes(file, RandomNumberGenerator.GetBytes(BigFileBytes));
        }
    }

    /// <summary>The vault is whole: every object, every snapshot, everything decrypted.</summary>
    internal Task VaultIsSoundAsync() =>
        ProgramRun.OfOurOwnAsync("Cli", ["vault", "verify", "--vault", Stack.Folders.Vault, "--key-file", Stack.Secrets.RestoreKey, "--depth", "data"], Cancel);

    /// <summary>The recovery point of a run, restored and compared with the big tree.</summary>
    internal async Task RestoresAsync(RunInfo run)
    {
        var point = (await Control.RecoveryPointsAsync(run.Asset, Cancel)).Single(p => p.Run == run.Id);
        var target = await RestoreAsync(Big, point.Id);
        LocalStack.Comparison.RestoreVerdict.OfTree(BigTree, target + BigTree, backupBegan: null).Differences.ShouldBeEmpty();
    }

    /// <summary>Restores a recovery point, from the vault or a tier, to a new folder.</summary>
    /// <returns>That folder.</returns>
    internal async Task<string> RestoreAsync(string asset, string point, string? from = null)
    {
        var target = Path.Combine(Stack.Folders.Restores, "check-" + Guid.NewGuid().ToString("N"));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(WaitMax);
        var restore = await Control.RestoreToEndAsync(new RestoreWish(asset, target, point, from), static _ => { }, limit.Token);
        restore.State.ShouldBe("succeeded", restore.Reason?.Text);
        return target;
    }

    /// <summary>The exit code of a program that was told to end.</summary>
    internal static Task<int> EndOfAsync(ChildProcess program) => program.Exited.WaitAsync(WaitMax, Cancel);

    internal static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>What blob storage holds.</summary>
    internal long OffsiteBytes() => BytesBelow(Stack.Folders.Azurite);

    private long VaultBytes() => BytesBelow(Stack.Folders.Vault);

    internal static long BytesBelow(string folder) => new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Exists ? f.Length : 0);

    private void MakeTrees()
    {
        Directory.CreateDirectory(BigTree);
        for (var i = 0; i < BigFiles; i++)
        {
            File.WriteAllText(Path.Combine(BigTree, $"file-{i:000}.bin"), string.Empty);
        }

        RewriteBigTree();
        Directory.CreateDirectory(CopiedTree);
        for (var i = 0; i < CopiedFiles; i++)
        {
            File.WriteAllBytes(Path.Combine(CopiedTree, $"file-{i:000}.bin"), RandomNumberGenerator.GetBytes(CopiedFileBytes));
        }

        Directory.CreateDirectory(UnreadableTree);
        File.WriteAllText(Path.Combine(UnreadableTree, "readable.txt"), "readable\n");
        File.WriteAllText(Path.Combine(UnreadableTree, "secret.txt"), "nobody may read this\n");
        File.SetUnixFileMode(Path.Combine(UnreadableTree, "secret.txt"), UnixFileMode.None);
    }

    private async Task<VaultPlace> NewVaultAsync(string name)
    {
        var place = new VaultPlace(_scratch.Combine(name), _scratch.Combine(name + ".backup-key"), _scratch.Combine(name + ".restore-key"));
        await ProgramRun.OfOurOwnAsync("Cli", ["vault", "init", "--vault", place.Folder, "--restore-key-file", place.RestoreKey, "--backup-key-file", place.BackupKey], CancellationToken.None);
        return place;
    }
}
