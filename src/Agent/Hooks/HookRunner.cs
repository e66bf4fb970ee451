using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Backup.Agent.Settings;
using Backup.AgentApi;
using Backup.Sources;
using Backup.Sources.Postgres;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Hooks;

/// <summary>Runs hooks of the agent's own configuration, each within its time limit.</summary>
internal sealed class HookRunner(AgentSettings settings, TimeProvider time, ILogger<HookRunner> log)
{
    private const int OutputCharsKept = 500;

    /// <summary>Null when every name is one that the agent's owner allows, otherwise the first that is not.</summary>
    public Failure? Refuse(IEnumerable<string> names) => names.FirstOrDefault(name => !settings.Hooks.ContainsKey(name)) is { } unknown
        ? new Failure
        {
            Code = FailureCode.UnknownHook,
            Message = $"The agent knows no hook '{unknown}'.",
            Hint = "Compare the asset's hooks in the policy with 'hooks' in the agent's configuration.",
        }
        : null;

    /// <summary>Runs one hook. Its failure is the answer; null when it did what it should.</summary>
    /// <exception cref="OperationCanceledException">The token asked for it; the hook was ended.</exception>
    public async Task<Failure?> RunAsync(string name, string asset, string run, CancellationToken cancel)
    {
        // A configuration that changed while an order was under way.
        if (!settings.Hooks.TryGetValue(name, out var hook))
        {
            return Refuse([name]);
        }

        var started = time.GetTimestamp();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(hook.TimeLimitSeconds), time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        string? problem;
        try
        {
            problem = hook.Sql is null ? await RunCommandAsync(hook, asset, run, stop.Token).ConfigureAwait(false) : await RunStatementAsync(hook, stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            problem = string.Create(CultureInfo.InvariantCulture, $"did not end within {hook.TimeLimitSeconds} s");
        }

        if (problem is null)
        {
            HookLog.Ran(log, name, asset, time.GetElapsedTime(started).TotalSeconds);
            return null;
        }

        HookLog.Failed(log, name, asset, problem);
        return new Failure { Code = FailureCode.HookFailed, Message = $"The hook '{name}' {problem}.", Hint = "The agent's log says more; try what the hook runs by hand, as the agent's user." };
    }

    private async Task<string?> RunCommandAsync(HookSettings hook, string asset, string run, CancellationToken cancel)
    {
        var start = new ProcessStartInfo(hook.Command[0], hook.Command.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        start.Environment["BACKUP_ASSET"] = asset;
        start.Environment["BACKUP_RUN"] = run;
        using var process = new Process { StartInfo = start };
        try
        {
            process.Start();
        }
        catch (Win32Exception missing)
        {
            return $"cannot be started: {missing.Message}";
        }

        process.StandardInput.Close();
        var output = TailAsync(process.StandardOutput);
        var error = TailAsync(process.StandardError);
        try
        {
            await process.WaitForExitAsync(cancel).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        if (process.ExitCode == 0)
        {
            return null;
        }

        // A child that the command left behind may hold its output open for ever.
        await Task.WhenAny(Task.WhenAll(output, error), Task.Delay(TimeSpan.FromSeconds(1), time, CancellationToken.None)).ConfigureAwait(false);
        HookLog.Said(log, hook.Name, error.IsCompletedSuccessfully ? error.Result : "", output.IsCompletedSuccessfully ? output.Result : "");
        return string.Create(CultureInfo.InvariantCulture, $"ended with code {process.ExitCode}");
    }

    private async Task<string?> RunStatementAsync(HookSettings hook, CancellationToken cancel)
    {
        try
        {
            var connection = (await File.ReadAllTextAsync(settings.ConnectionStringFiles[hook.Connection!], cancel).ConfigureAwait(false)).Trim();
            await ServerStatement.RunAsync(connection, hook.Database, hook.Sql!, cancel).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is SourcesException or IOException or UnauthorizedAccessException)
        {
            return $"failed: {e.Message.Split('\n')[0]}";
        }
    }

    /// <summary>Reads all, keeps the end.</summary>
    private static async Task<string> TailAsync(StreamReader reader)
    {
        var tail = "";
        var buffer = new char[4096];
        while (await reader.ReadAsync(buffer).ConfigureAwait(false) is > 0 and var count)
        {
            tail += new string(buffer, 0, count);
            tail = tail.Length <= OutputCharsKept ? tail : tail[^OutputCharsKept..];
        }

        return tail.Trim();
    }
}

/// <summary>What happens to hooks. Events 4400 to 4499.</summary>
internal static partial class HookLog
{
    [LoggerMessage(4401, LogLevel.Information, "Hook '{Hook}' of '{Asset}' ran, {Seconds} s")]
    internal static partial void Ran(ILogger logger, string hook, string asset, double seconds);

    [LoggerMessage(4402, LogLevel.Error, "Hook '{Hook}' of '{Asset}' {Problem}")]
    internal static partial void Failed(ILogger logger, string hook, string asset, string problem);

    [LoggerMessage(4403, LogLevel.Warning, "Hook '{Hook}' said: {Error} {Output}")]
    internal static partial void Said(ILogger logger, string hook, string error, string output);

    [LoggerMessage(4404, LogLevel.Warning, "The agent ended between the hooks of '{Asset}' (run {Run}): what undoes them is run now")]
    internal static partial void Unwinding(ILogger logger, string asset, string run);
}
