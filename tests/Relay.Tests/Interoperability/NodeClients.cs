using System.Diagnostics;
using System.Security.Cryptography;
using Shouldly;

namespace Backup.Relay.Tests.Interoperability;

/// <summary>The official Node clients, installed once from their lock file.</summary>
internal static class NodeClients
{
    private static readonly Lazy<Task<string?>> Installed = new(InstallAsync);

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "node");

    private static bool IsCi => Environment.GetEnvironmentVariable("CI") == "true";

    /// <summary>Skips the test where Node is missing; in CI that is a failure.</summary>
    public static async Task RequireAsync()
    {
        var missing = await Installed.Value;
        if (missing is null) return;
        if (IsCi) Assert.Fail(missing);
        Assert.Skip(missing);
    }

    /// <summary>Starts a listener and waits until it is registered: on <see cref="RelayTestBed.Hyco"/>, unless <c>ENTITY</c> says otherwise.</summary>
    public static async Task<Process> ListenAsync(string script, RelayTestBed bed, params (string Name, string Value)[] environment)
    {
        var process = Start(script, bed, "listen", RelayTestBed.ListenKey, environment);
        (await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)).ShouldBe("listening");
        return process;
    }

    /// <summary>Runs a sender to its end.</summary>
    /// <returns>What it printed.</returns>
    public static async Task<string> SendAsync(string script, RelayTestBed bed, string key, params (string Name, string Value)[] environment)
    {
        using var process = Start(script, bed, "send", key, environment);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return output.Trim();
    }

    private static Process Start(string script, RelayTestBed bed, string keyName, string key, (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("node", [script])
        {
            WorkingDirectory = Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["RELAY"] = bed.Emulator.Endpoint.Authority;
        start.Environment["ENTITY"] = RelayTestBed.Hyco.Value;
        start.Environment["KEY_NAME"] = keyName;
        start.Environment["KEY"] = key;
        start.Environment["NODE_EXTRA_CA_CERTS"] = RelayTestBed.CertificateFile;
        start.Environment["NODE_NO_WARNINGS"] = "1";
        foreach (var (name, value) in environment) start.Environment[name] = value;
        var process = Process.Start(start)!;
        // Read to the end in the background: a full pipe would stop the client.
        process.ErrorDataReceived += (_, line) => TestContext.Current.TestOutputHelper?.WriteLine($"{script}: {line.Data}");
        process.BeginErrorReadLine();
        return process;
    }

    /// <summary>Null when the clients are there, else why not.</summary>
    private static async Task<string?> InstallAsync()
    {
        var lockFile = Path.Combine(Folder, "package-lock.json");
        var wanted = Convert.ToHexString(SHA256.HashData(await File.ReadAllBytesAsync(lockFile)));
        var marker = Path.Combine(Folder, "node_modules", ".installed");
        // Several test processes may run from one output folder.
        await using var held = await LockAsync(Path.Combine(Folder, ".install.lock"));
        if (File.Exists(marker) && await File.ReadAllTextAsync(marker) == wanted) return null;
        try
        {
            using var npm = Process.Start(new ProcessStartInfo("npm", ["ci", "--ignore-scripts", "--no-progress"]) { WorkingDirectory = Folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var output = npm.StandardOutput.ReadToEndAsync();
            var errors = npm.StandardError.ReadToEndAsync();
            await npm.WaitForExitAsync();
            if (npm.ExitCode != 0) return $"npm ci ended with {npm.ExitCode}: {await errors} {await output}";
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return $"Node and npm are needed for these tests: {e.Message}";
        }
        await File.WriteAllTextAsync(marker, wanted);
        return null;
    }

    private static async Task<FileStream> LockAsync(string path)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                // Another process installs: this asks again until it has finished.
                await Task.Delay(100);
            }
        }
    }
}
