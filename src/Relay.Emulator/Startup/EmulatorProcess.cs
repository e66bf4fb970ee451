using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Backup.Relay.Emulator;

/// <summary>Serves one configuration file until it is told to stop, and reads it again when it changes or on SIGHUP.</summary>
internal sealed class EmulatorProcess(string configurationFile, TimeProvider clock, ILoggerFactory logs) : IDisposable
{
    private readonly ILogger _logger = logs.CreateLogger<EmulatorProcess>();
    private readonly SemaphoreSlim _hangUp = new(0);

    /// <summary>Returns after SIGINT or SIGTERM.</summary>
    /// <exception cref="EmulatorException">It cannot start.</exception>
    public async Task RunAsync(string? readyFile)
    {
        using var stop = new CancellationTokenSource();
        using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Handle(signal, stop.Cancel));
        using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Handle(signal, stop.Cancel));
        using var onHangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal => Handle(signal, () => _hangUp.Release()));
        var configuration = EmulatorConfiguration.Load(configurationFile, clock);
        var emulator = await RelayEmulator.StartAsync(configuration.Namespaces, CancellationToken.None, logs).ConfigureAwait(false);
        await using var _ = emulator.ConfigureAwait(false);
        if (readyFile is not null)
        {
            // Renamed into place, so that nobody reads half a number.
            await File.WriteAllTextAsync(readyFile + ".new", string.Create(CultureInfo.InvariantCulture, $"{emulator.Port}\n")).ConfigureAwait(false);
            File.Move(readyFile + ".new", readyFile, overwrite: true);
        }
        var trimming = new MemoryTrim(emulator, clock).RunAsync(stop.Token);
        await FollowAsync(emulator, configuration, stop.Token).ConfigureAwait(false);
        await trimming.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _hangUp.Dispose();

    private async Task FollowAsync(RelayEmulator emulator, EmulatorConfiguration configuration, CancellationToken stop)
    {
        var watch = new ConfigurationWatch(clock);
        try
        {
            while (true)
            {
                await watch.WaitAsync(configuration.Files, _hangUp, stop).ConfigureAwait(false);
                configuration = await ReloadAsync(emulator, configuration).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The regular end.
        }
    }

    /// <summary>What is served from now on: the changed configuration, or the former one when the changed one is wrong.</summary>
    private async Task<EmulatorConfiguration> ReloadAsync(RelayEmulator emulator, EmulatorConfiguration before)
    {
        try
        {
            var changed = EmulatorConfiguration.Load(configurationFile, clock);
            var (from, to) = (before.Namespaces[0], changed.Namespaces[0]);
            if (!from.Listen.Equals(to.Listen) || from.Port != to.Port)
                throw new EmulatorException(EmulatorFault.Configuration, "'listen' and 'port' cannot change while it runs.", "Start it again.");
            await emulator.ReloadAsync(changed.Namespaces).ConfigureAwait(false);
            EmulatorLog.Reloaded(_logger, changed.Namespaces.Count, changed.Namespaces.Sum(space => space.Entities.Count));
            return changed;
        }
        catch (EmulatorException e)
        {
            EmulatorLog.NotReloaded(_logger, e.Message);
            return before;
        }
    }

    private static void Handle(PosixSignalContext signal, Action action)
    {
        signal.Cancel = true;
        action();
    }
}
