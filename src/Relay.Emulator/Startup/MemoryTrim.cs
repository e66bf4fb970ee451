using System.Runtime.InteropServices;

namespace Backup.Relay.Emulator;

/// <summary>
/// Gives memory back when the emulator falls quiet. A TLS handshake leaves holes of about 20 kB per connection in OpenSSL's heap, and the
/// collector keeps what a burst needed until the next one: with a thousand listeners that wait, together a fifth of the process.
/// </summary>
/// <remarks>Belongs to the program and not to <see cref="RelayEmulator"/>: a process that hosts one has memory of its own to decide about.</remarks>
internal sealed partial class MemoryTrim(RelayEmulator emulator, TimeProvider clock)
{
    /// <summary>Quiet is: no request and no handshake for this long.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    /// <summary>What fewer requests leave behind is not worth a collection.</summary>
    private const long RequestsMin = 100;

    /// <summary>Looks until it is told to stop.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        var (before, atLastTrim) = (0L, 0L);
        using var timer = new PeriodicTimer(Interval, clock);
        while (await timer.WaitForNextTickAsync(stop).ConfigureAwait(false))
        {
            var seen = emulator.RequestsSeen;
            if (seen == before && seen - atLastTrim >= RequestsMin)
            {
                Trim();
                atLastTrim = seen;
            }
            before = seen;
        }
    }

    private static void Trim()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = TrimNativeHeap(0); // Whether there was anything to give back does not matter.
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library than glibc: its allocator has its own ways.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int TrimNativeHeap(nuint keep);
}
