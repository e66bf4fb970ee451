using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Backup.AgentApi;
using Backup.Relay;
using Backup.Relay.Emulator;
using Backup.Services.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Backup.Benchmarks.Relay;

/// <summary>The emulator's and the listener's processes, and what all three need to find each other.</summary>
internal sealed class RelayProcesses : IAsyncDisposable
{
    public static readonly EntityPath Entity = EntityPath.Parse("agents/one");

    private readonly string _folder;
    private readonly ScratchFolder? _scratch;
    private Process? _emulator;
    private Process? _listener;

    private RelayProcesses(string folder, ScratchFolder? scratch)
    {
        _folder = folder;
        _scratch = scratch;
    }

    public RelayEndpoint Endpoint { get; private set; } = null!;

    public string ControlPlaneFile => Path.Combine(_folder, "control-plane.key");

    public string AgentFile => Path.Combine(_folder, "agent.key");

    public IEnumerable<(string Name, int Id)> All => [("emulator", _emulator!.Id), ("listener", _listener!.Id), ("sender", Environment.ProcessId)];

    public static EntityPath IdleEntity(int number) => EntityPath.Parse($"idle/{number / 20}");

    /// <summary>The same places, seen from the listener's process.</summary>
    public static RelayProcesses OfFolder(string folder, RelayEndpoint endpoint) => new(folder, null) { Endpoint = endpoint };

    public static async Task<RelayProcesses> StartAsync()
    {
        var scratch = new ScratchFolder("bench");
        var processes = new RelayProcesses(scratch.Path, scratch);
        DevelopmentCertificate.Ensure(scratch.Path, TimeProvider.System);
        foreach (var rule in new[] { "listen", "send" }) await File.WriteAllTextAsync(Path.Combine(scratch.Path, $"{rule}.key"), $"key-to-{rule}");
        using (var controlPlane = PrivateIdentity.Create("control plane")) controlPlane.Save(processes.ControlPlaneFile);
        using (var agent = PrivateIdentity.Create("agent")) agent.Save(processes.AgentFile);
        await processes.StartEmulatorAsync();
        return processes;
    }

    public async Task StartEmulatorAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "relay.json"), JsonSerializer.Serialize(new
        {
            port = Endpoint?.Port ?? 0,
            certificateFile = DevelopmentCertificate.CertificateFileName,
            certificateKeyFile = DevelopmentCertificate.KeyFileName,
            rules = new[] { new { name = "listen", keyFile = "listen.key", rights = new[] { "Listen" } }, new { name = "send", keyFile = "send.key", rights = new[] { "Send" } } },
            entities = Enumerable.Range(0, 50).Select(n => new { path = $"idle/{n}" }).Append(new { path = Entity.Value }),
        }));
        var ready = Path.Combine(_folder, "ready");
        File.Delete(ready);
        _emulator = Start(["Backup.Relay.Emulator.dll", "--config", Path.Combine(_folder, "relay.json"), "--ready-file", ready], "emulator.log");
        while (!File.Exists(ready))
        {
            if (_emulator.HasExited) throw new InvalidOperationException($"The emulator ended: {await File.ReadAllTextAsync(Path.Combine(_folder, "emulator.log"))}");
            await Task.Delay(2);
        }
        Endpoint = RelayEndpoint.Parse($"sb://localhost:{int.Parse(await File.ReadAllTextAsync(ready), CultureInfo.InvariantCulture)}");
    }

    public void KillEmulator()
    {
        _emulator!.Kill();
        _emulator.WaitForExit();
        _emulator.Dispose();
    }

    /// <summary>Starts the listener's process.</summary>
    /// <returns>The port it serves, if it is the one that serves directly.</returns>
    public async Task<int> StartListenerAsync(string handler)
    {
        _listener = Start(["Backup.Benchmarks.dll", "relay", "listener", handler, _folder, Endpoint.ToString()], null);
        return await _listener.StandardOutput.ReadLineAsync() is { } line && line.StartsWith("listening ", StringComparison.Ordinal)
            ? int.Parse(line["listening ".Length..], CultureInfo.InvariantCulture)
            : throw new InvalidOperationException("The listener's process did not come up.");
    }

    public X509Certificate2 Certificate() =>
        X509Certificate2.CreateFromPemFile(Path.Combine(_folder, DevelopmentCertificate.CertificateFileName), Path.Combine(_folder, DevelopmentCertificate.KeyFileName));

    public RelayConnection Connection(string rule) => new()
    {
        Endpoint = Endpoint,
        Tokens = SasTokens.FromKeyFile(rule, Path.Combine(_folder, $"{rule}.key"), TimeProvider.System),
        Trust = RelayTrust.FromCertificateFile(Path.Combine(_folder, DevelopmentCertificate.CertificateFileName)),
    };

    public RelayListener NewListener(EntityPath entity, RelayHandler? handler = null) => new(
        new RelayListenerOptions { Connection = Connection("listen"), Entity = entity, ConcurrentRequestsMax = 256 },
        handler ?? ((_, _) => Task.FromResult(RelayResponse.Empty(200))),
        NullLogger<RelayListener>.Instance);

    /// <summary>Processor time so far: emulator, listener, this process.</summary>
    public TimeSpan[] CpuTimes() => [.. All.Select(process => Cpu(process.Id))];

    public long EmulatorMemory() => Memory(_emulator!.Id);

    public static long Memory(int id)
    {
        using var process = Process.GetProcessById(id);
        return process.WorkingSet64;
    }

    public async ValueTask DisposeAsync()
    {
        if (_listener is not null)
        {
            _listener.StandardInput.Close();
            await _listener.WaitForExitAsync();
            _listener.Dispose();
        }
        KillEmulator();
        _scratch?.Dispose();
    }

    private static TimeSpan Cpu(int id)
    {
        using var process = Process.GetProcessById(id);
        return process.TotalProcessorTime;
    }

    /// <summary>Starts one of the programs beside this one. Its output is read by us, or goes into a file through a shell.</summary>
    private Process Start(string[] arguments, string? log)
    {
        string[] program = ["dotnet", Path.Combine(AppContext.BaseDirectory, arguments[0]), .. arguments[1..]];
        var start = log is null
            ? new ProcessStartInfo(program[0], program[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true }
            : new ProcessStartInfo("sh", ["-c", "exec \"$@\" >\"$0\" 2>&1", Path.Combine(_folder, log), .. program]);
        return Process.Start(start)!;
    }
}
