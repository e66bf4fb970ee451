using System.CommandLine;
using System.Globalization;
using Backup.Cli.Backing;
using Backup.Cli.Output;
using Backup.Cli.Vaults;
using Backup.Sources.Postgres;
using Backup.Sources.Postgres.Wal;
using Backup.Vault;

namespace Backup.Cli.Log;

/// <summary>An event or state as machines read it.</summary>
internal sealed record WalReceiveLine(
    string? Alert, string? Message, uint? Timeline, string? Received, string? Durable, string? Server, long? SlotBytes, DateTimeOffset? RestorableAt, double? AgeSeconds);

/// <summary><c>wal receive</c>: streams a server's log into the vault until it is stopped. A backup key is enough.</summary>
internal static class WalReceiveCommand
{
    // The upper limit is an exbibyte: nobody has more, and in bytes it is a number still.
    private const long SlotMebibytesMin = 64, SlotMebibytesMax = 1L << 40;

    public static Command Create(CliContext context)
    {
        var vault = new VaultArguments();
        var asset = ClusterOptions.Asset();
        var connection = ClusterOptions.ConnectionFile("; the role needs REPLICATION");
        var slot = new Option<string>("--slot") { Description = "The replication slot; by default backup_ and the asset's name.", HelpName = "NAME" };
        var within = new Option<double>("--durable-within") { Description = "Seconds that a commit may take into the vault, 1 to 3600.", HelpName = "SECONDS", DefaultValueFactory = _ => 5 };
        var slotMax = new Option<long>("--slot-max-mib") { Description = "How much log the server may keep for us, in MiB, before --when-behind applies.", HelpName = "MIB", DefaultValueFactory = _ => 16 * 1024 };
        var behind = new Option<string>("--when-behind") { Description = "What then: alert, stop, or drop-slot (which needs a new base backup).", HelpName = "ACTION", DefaultValueFactory = _ => "alert" };
        behind.AcceptOnlyFromAmong("alert", "stop", "drop-slot");
        var backUp = new Option<bool>("--base-backup") { Description = "Take a base backup by itself whenever one is needed: at the start, and after a gap." };
        return context.Leaf("receive", "Stream a server's log into the vault until stopped.", [.. vault.All, asset, connection, slot, within, slotMax, behind, backUp], async (invocation, cancel) =>
        {
            var request = new WalReceiverRequest
            {
                Asset = invocation.Require(asset),
                ConnectionString = await ClusterOptions.ReadConnectionAsync(invocation, connection, cancel).ConfigureAwait(false),
                Slot = invocation.Get(slot),
                DurableWithin = TimeSpan.FromSeconds(invocation.Within(within, 1, 3600)),
                SlotBytesMax = invocation.Within(slotMax, SlotMebibytesMin, SlotMebibytesMax) << 20,
                WhenSlotBehind = invocation.Get(behind) switch
                {
                    "stop" => SlotPolicy.Stop,
                    "drop-slot" => SlotPolicy.DropSlot,
                    _ => SlotPolicy.AlertOnly,
                },
            };
            request.Check();
            var opened = await vault.OpenAsync(invocation, cancel).ConfigureAwait(false);
            var view = new View(invocation);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var backups = invocation.Get(backUp) ? BackUpAsync(opened, request, view, invocation.Terminal.Time, stop.Token) : Task.CompletedTask;
            try
            {
                await new WalReceiver(invocation.Terminal.Time).RunAsync(opened, request, view, cancel).ConfigureAwait(false);
            }
            finally
            {
                await stop.CancelAsync().ConfigureAwait(false);
                await backups.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            return ExitCode.Success;
        });
    }

    /// <summary>One at a time; while one runs, further needs become one more.</summary>
    private static async Task BackUpAsync(OpenVault vault, WalReceiverRequest request, View view, TimeProvider time, CancellationToken cancel)
    {
        while (true)
        {
            await view.Needed.WaitAsync(cancel).ConfigureAwait(false);
            try
            {
                var backup = new PostgresBackupRequest { Asset = request.Asset, ConnectionString = request.ConnectionString };
                var outcome = await new PostgresSource(time).BackupAsync(vault, backup, null, null, cancel).ConfigureAwait(false);
                view.Tell($"Took the base backup {outcome.SnapshotId}{(outcome.IsPartial ? ", which is partial" : "")}.");
            }
            catch (Exception e) when (e is Backup.Sources.SourcesException or VaultException)
            {
                view.Tell($"The base backup failed: {e.Message}");
            }
        }
    }

    private sealed class View(Invocation invocation) : IWalObserver
    {
        private readonly Lock _lock = new();

        internal SemaphoreSlim Needed { get; } = new(0);

        public void Report(WalStatus status)
        {
            if (!invocation.IsJson)
            {
                return;
            }

            Write(new WalReceiveLine(
                null, null, status.Timeline, status.Received.ToString(), status.Durable.ToString(), status.Server?.ToString(), status.SlotBytes, status.RestorableAt, status.Age?.TotalSeconds));
        }

        public void Alert(WalAlert alert)
        {
            if (alert.Kind == WalAlertKind.BaseBackupNeeded)
            {
                Needed.Release();
            }

            if (invocation.IsJson)
            {
                Write(new WalReceiveLine(ErrorText.Kebab(alert.Kind.ToString()), alert.Message, null, null, null, null, null, null, null));
            }
            else
            {
                Tell($"{ErrorText.Kebab(alert.Kind.ToString())}: {alert.Message}");
            }
        }

        internal void Tell(string text)
        {
            lock (_lock)
            {
                invocation.Note(string.Create(CultureInfo.InvariantCulture, $"{invocation.Terminal.Time.GetUtcNow():HH:mm:ss} {text}"));
            }
        }

        private void Write(WalReceiveLine line)
        {
            lock (_lock)
            {
                invocation.Out.WriteJson(line, CliJson.Default.WalReceiveLine);
                invocation.Out.Flush();
            }
        }
    }
}
