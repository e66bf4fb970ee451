using Backup.Agent.Settings;
using Backup.Agent.Vaults;
using Backup.Agent.Wal;
using Backup.Agent.Work;
using Backup.Vault;
using Backup.Vault.Encryption;
using Backup.Vault.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Agent.Tests.Wal;

public sealed class WalReceivingFaultTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly ScratchFolder _scratch = new();
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Receive_MeetsWhatNobodyExpected_IsToldAndTriedAgain()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var state = StateFolder.Take(_scratch["state"]);
        var made = await VaultCreation.CreateAsync(new FileSystemObjectStore(_scratch["vault"]), TimeProvider.System, cancel);
        VaultKeyFile.Save(_scratch["backup.key"], made.BackupKey);
        // The configuration's reader would refuse such a limit; the receiver does so with an exception that is no fault of server or vault.
        var settings = Settings(new WalSettings { Connection = "c", Vault = "v", Asset = "db", SlotMebibytesMax = 1 });
        var board = new RpoBoard(settings, _time);
        using var receiving = new WalReceiving(settings, new VaultShelf(settings, TimeProvider.System), board, new ClusterTurns(), state, _time, NullLogger<WalReceiving>.Instance);
        await receiving.StartAsync(cancel);

        for (var tries = 0; tries < 2; tries++)
        {
            await UntilToldAsync(board);
            board.SetProblem("db", null);
        }

        await receiving.StopAsync(cancel);
    }

    public void Dispose() => _scratch.Dispose();

    private AgentSettings Settings(WalSettings wal) => new()
    {
        Name = "a",
        Site = "s",
        Relay = new RelaySettings { Endpoint = new Uri("sb://x"), Path = "p", KeyName = "k", KeyFile = "f" },
        StateFolder = _scratch["state"],
        Vaults = new Dictionary<string, VaultSettings> { ["v"] = new() { Location = _scratch["vault"], BackupKeyFile = _scratch["backup.key"] } },
        ConnectionStringFiles = new Dictionary<string, string> { ["c"] = _scratch.Write("c", "Host=localhost") },
        AllowedSources = [],
        RestoreRoots = [],
        WalReceivers = [wal],
    };

    /// <summary>Time goes on until it is told.</summary>
    private async Task UntilToldAsync(RpoBoard board)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (board.Read().Readings[0].Problem is null)
        {
            _time.Advance(WalReceiving.RetryDelay);
            await Task.Delay(10, limit.Token);
        }
    }
}
