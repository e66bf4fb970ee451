using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Backup.Relay;

namespace Backup.Agent.Tests.EndToEnd;

/// <summary>The relay emulator as a process that can be killed and started again on its port.</summary>
internal sealed partial class RelayProcess : IAsyncDisposable
{
    private readonly string _configFile;
    private Process _process;
    private Task _serving;

    private RelayProcess(string configFile, Process process, int port)
    {
        (_configFile, _process, _serving) = (configFile, process, Task.CompletedTask);
        Endpoint = RelayEndpoint.Parse(string.Create(CultureInfo.InvariantCulture, $"sb://localhost:{port}"));
    }

    public RelayEndpoint Endpoint { get; }

    /// <summary>Completes when it serves: at once, or after the restart that is under way.</summary>
    public Task Serving => Volatile.Read(ref _serving);

    /// <summary>Starts it in a folder that holds its certificate, <c>listen.key</c> and <c>send.key</c>.</summary>
    public static async Task<RelayProcess> StartAsync(ScratchFolder scratch, string entity)
    {
        var file = scratch["relay.json"];
        await WriteAsync(file, 0, entity);
        var (process, port) = await StartAsync(file);
        await WriteAsync(file, port, entity);
        return new RelayProcess(file, process, port);
    }

    /// <summary>Kills it and starts it again.</summary>
    public async Task RestartAsync()
    {
        var serving = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _serving, serving.Task);
        await KillAsync();
        (_process, _) = await StartAsync(_configFile);
        serving.SetResult();
    }

    public async ValueTask DisposeAsync() => await KillAsync();

    private static Task WriteAsync(string file, int port, string entity) => File.WriteAllTextAsync(file, JsonSerializer.Serialize(new
    {
        port,
        certificateFile = "certificate.pem",
        certificateKeyFile = "certificate.key",
        rules = new[] { new { name = "listen", keyFile = "listen.key", rights = new[] { "Listen" } }, new { name = "send", keyFile = "send.key", rights = new[] { "Send" } } },
        entities = new[] { new { path = entity } },
    }));

    private static async Task<(Process Process, int Port)> StartAsync(string configFile)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Backup.Relay.Emulator.dll"), "--config", configFile]) { RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (Address().Match(line) is { Success: true } found)
            {
                // Drained, or a full pipe would stop it.
                _ = process.StandardOutput.ReadToEndAsync();
                return (process, int.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture));
            }
        }

        throw new InvalidOperationException($"The relay emulator ended with {process.ExitCode}.");
    }

    private async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    [GeneratedRegex(@"127\.0\.0\.1:(\d+)")]
    private static partial Regex Address();
}
