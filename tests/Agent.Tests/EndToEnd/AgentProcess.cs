using System.Diagnostics;
using System.Text;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>The program as an operator starts it, with all it prints.</summary>
internal sealed class AgentProcess : IDisposable
{
    private readonly Process _process;
    private readonly TaskCompletionSource _online = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task<string> _output;
    private readonly Task<string> _error;

    private AgentProcess(Process process)
    {
        _process = process;
        _output = ReadAsync(process.StandardOutput);
        _error = process.StandardError.ReadToEndAsync(CancellationToken.None);
    }

    /// <summary>All it printed; only after its end.</summary>
    public string Output => _output.Result + _error.Result;

    public static AgentProcess Start(string config) => StartWith("--config", config);

    public static AgentProcess StartWith(params string[] arguments) => StartWithInput("", arguments);

    /// <summary>Starts it with something on its standard input.</summary>
    public static AgentProcess StartWithInput(string input, params string[] arguments) => Start(input, new Dictionary<string, string>(), arguments);

    /// <summary>Starts it with more in its environment.</summary>
    public static AgentProcess StartIn(IReadOnlyDictionary<string, string> environment, string config) => Start("", environment, ["--config", config]);

    private static AgentProcess Start(string input, IReadOnlyDictionary<string, string> environment, string[] arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "Backup.Agent.dll");
        var start = new ProcessStartInfo("dotnet", ["exec", program, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        return new AgentProcess(process);
    }

    /// <summary>Completes when the agent says that it listens; fails when it ends before.</summary>
    public Task WaitUntilOnlineAsync(CancellationToken cancel) => _online.Task.WaitAsync(cancel);

    public void Terminate()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async Task<int> WaitAsync(CancellationToken cancel)
    {
        await _process.WaitForExitAsync(cancel);
        await Task.WhenAll(_output, _error);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private async Task<string> ReadAsync(StreamReader output)
    {
        var all = new StringBuilder();
        while (await output.ReadLineAsync() is { } line)
        {
            all.AppendLine(line);
            if (line.Contains("Listening for orders as", StringComparison.Ordinal))
            {
                _online.TrySetResult();
            }
        }

        _online.TrySetException(new InvalidOperationException($"The agent ended before it listened:\n{all}"));
        // Looked at here, because nobody need be waiting for it.
        _ = _online.Task.Exception;
        return all.ToString();
    }
}
