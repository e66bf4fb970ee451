using System.ComponentModel;
using System.Diagnostics;

namespace Backup.LocalStack.Services;

/// <summary>A running child: its output goes to a log file, it ends with this process, and it never ends unnoticed.</summary>
/// <remarks>
/// The child leads its own session, so Ctrl-C in the terminal reaches only this process (which then stops the children in
/// order) and one signal reaches everything the child started.
/// </remarks>
public sealed class ChildProcess : IAsyncDisposable
{
    /// <summary>How long an orderly stop may take before the child is killed.</summary>
    public static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly ChildLog _log;
    private readonly Task<int> _exited;
    private volatile bool _stopping;

    private ChildProcess(ChildSpec spec, Process process, ChildLog log)
    {
        Spec = spec;
        _process = process;
        _log = log;
        Id = process.Id;
        _exited = WatchAsync();
    }

    /// <summary>What was started.</summary>
    public ChildSpec Spec { get; }

    /// <summary>The process id, which is also the id of its process group.</summary>
    public int Id { get; }

    /// <summary>Completes with the exit code once the child has ended and all it printed is in the log.</summary>
    public Task<int> Exited => _exited;

    /// <summary>Whether the child ended without having been told to by this object.</summary>
    public bool HasCrashed => _exited.IsCompleted && !_stopping;

    /// <summary>Starts the program.</summary>
    /// <exception cref="LocalStackException">The program, or one of the system tools that start it, is missing.</exception>
    public static async Task<ChildProcess> StartAsync(ChildSpec spec, CancellationToken cancel = default)
    {
        cancel.ThrowIfCancellationRequested();
        var start = new ProcessStartInfo("setsid")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = spec.WorkingFolder ?? string.Empty,
        };
        string[] account = spec.Account is null ? [] : [.. spec.Account.Options([spec.Program, .. spec.Arguments.Where(Path.IsPathRooted)])];
        foreach (var argument in (IEnumerable<string>)["setpriv", .. account, "--pdeathsig", "KILL", "--", spec.Program, .. spec.Arguments])
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in spec.Environment)
        {
            start.Environment[name] = value;
        }

        var log = new ChildLog(spec.LogFile);
        try
        {
            var process = await SpawningThread.StartAsync(start).ConfigureAwait(false);
            process.StandardInput.Close();
            log.Follow(process.StandardOutput, process.StandardError);
            return new ChildProcess(spec, process, log);
        }
        catch (Win32Exception cause)
        {
            log.Dispose();
            throw new LocalStackException(LocalStackFault.Prerequisite, $"{spec.Name} could not be started: {cause.Message}",
                "The local stack needs Linux with the `setsid` and `setpriv` commands of util-linux.", cause);
        }
    }

    /// <summary>Starts a server and waits for the line by which it says that it is ready; one that never says so is ended.</summary>
    /// <exception cref="LocalStackException">The program is missing, ended first, or the limit passed.</exception>
    public static async Task<ChildProcess> StartAsync(ChildSpec spec, Predicate<string> ready, TimeSpan limit, CancellationToken cancel = default)
    {
        var child = await StartAsync(spec, cancel).ConfigureAwait(false);
        try
        {
            await child.WaitForLineAsync(ready, limit, cancel).ConfigureAwait(false);
            return child;
        }
        catch
        {
            await child.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Waits until the child prints a line that fits (lines printed before the call count too).</summary>
    /// <exception cref="LocalStackException">The child ended first, or the limit passed; the message ends with the last log lines.</exception>
    public Task<string> WaitForLineAsync(Predicate<string> fits, TimeSpan limit, CancellationToken cancel = default) => WaitForLineAsync(fits, onlyNew: false, limit, cancel);

    /// <summary>As <see cref="WaitForLineAsync(Predicate{string}, TimeSpan, CancellationToken)"/>, but lines printed before the call do not count.</summary>
    public Task<string> WaitForNewLineAsync(Predicate<string> fits, TimeSpan limit, CancellationToken cancel = default) => WaitForLineAsync(fits, onlyNew: true, limit, cancel);

    private async Task<string> WaitForLineAsync(Predicate<string> fits, bool onlyNew, TimeSpan limit, CancellationToken cancel)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limited.CancelAfter(limit);
        try
        {
            return await _log.WaitForLineAsync(fits, onlyNew, limited.Token).ConfigureAwait(false) ?? throw Failure("ended before it was ready");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw Failure($"was not ready after {limit.TotalSeconds:0} s");
        }
    }

    /// <summary>Asks the child to end, and kills its whole process group if it has not after <see cref="StopGrace"/>.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> StopAsync()
    {
        _stopping = true;
        if (!_exited.IsCompleted)
        {
            Native.Signal(Id, Spec.StopSignal);
            await Task.WhenAny(_exited, Task.Delay(StopGrace)).ConfigureAwait(false);
        }

        return await KillAsync().ConfigureAwait(false);
    }

    /// <summary>Kills the child and everything it started, as a power cut would (SIGKILL).</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> KillAsync()
    {
        _stopping = true;
        if (!_exited.IsCompleted)
        {
            Native.Signal(-Id, Native.SigKill);
        }

        return await _exited.ConfigureAwait(false);
    }

    /// <summary>Stops the child in its tracks (SIGSTOP): it lives and holds its connections, but does nothing.</summary>
    public void Pause() => Native.Signal(-Id, Native.SigStop);

    /// <summary>Lets a paused child go on.</summary>
    public void Resume() => Native.Signal(-Id, Native.SigCont);

    /// <summary>The newest lines the child printed, oldest first.</summary>
    public IReadOnlyList<string> LastLines() => _log.LastLines();

    /// <summary>An error that says what happened to the child, with its last log lines.</summary>
    public LocalStackException Failure(string whatHappened) =>
        new(LocalStackFault.ChildFailed, $"{Spec.Name} {whatHappened}{ExitText()}. Its last lines:\n{string.Join('\n', LastLines().Select(l => "  " + l))}",
            $"The whole log is in {Spec.LogFile}");

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        _process.Dispose();
    }

    private string ExitText() => _exited.IsCompletedSuccessfully ? $" (exit code {_exited.Result})" : string.Empty;

    private async Task<int> WatchAsync()
    {
        await _process.WaitForExitAsync().ConfigureAwait(false);
        // A grandchild can hold the pipes open after the leader died; the rest of the group must not outlive it.
        Native.Signal(-Id, Native.SigKill);
        await _log.Drained.ConfigureAwait(false);
        _log.Dispose();
        return _process.ExitCode;
    }
}
