using System.Collections.Concurrent;
using System.Diagnostics;

namespace Backup.LocalStack.Services;

/// <summary>Starts every child from one thread that lives as long as this process.</summary>
/// <remarks>
/// "Die with the parent" (PR_SET_PDEATHSIG) really means "die with the thread that forked": a child started from a pool
/// thread would be killed whenever the pool retires that thread.
/// </remarks>
internal static class SpawningThread
{
    private static readonly BlockingCollection<Action> Work = [];

    static SpawningThread() => new Thread(Run) { IsBackground = true, Name = "child-processes" }.Start();

    public static Task<Process> StartAsync(ProcessStartInfo start)
    {
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Add(() =>
        {
            try
            {
                started.SetResult(Process.Start(start)!);
            }
            catch (Exception cause)
            {
                started.SetException(cause);
            }
        });
        return started.Task;
    }

    private static void Run()
    {
        foreach (var action in Work.GetConsumingEnumerable())
        {
            action();
        }
    }
}
