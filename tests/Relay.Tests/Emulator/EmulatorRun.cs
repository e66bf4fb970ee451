using System.Diagnostics;
using System.Globalization;
using Backup.Relay.Emulator;

namespace Backup.Relay.Tests.Emulator;

/// <summary>The emulator's program as a process of its own.</summary>
internal static class EmulatorRun
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static Process Start(params string[] arguments) => Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Backup.Relay.Emulator.dll"), .. arguments])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    /// <summary>Writes <c>relay.json</c> with one entity and the rule <c>root</c>, and <c>root.key</c> unless it is there.</summary>
    /// <returns>The configuration's path.</returns>
    public static async Task<string> ConfigureAsync(string folder, string entity, string key)
    {
        var (file, keyFile) = (Path.Combine(folder, "relay.json"), Path.Combine(folder, "root.key"));
        if (!File.Exists(keyFile)) await File.WriteAllTextAsync(keyFile, key, Cancel);
        await File.WriteAllTextAsync(file, $$"""{ "rules": [ { "name": "root", "keyFile": "root.key", "rights": ["Manage"] } ], "entities": [ { "path": "{{entity}}" } ] }""", Cancel);
        return file;
    }

    /// <summary>The address in the line that it logs once it accepts connections.</summary>
    public static RelayEndpoint EndpointIn(string started) => RelayEndpoint.Parse($"sb://localhost:{started.Split("127.0.0.1:")[1].Split(' ')[0]}");

    /// <summary>The certificate that it makes beside a configuration without one.</summary>
    public static RelayTrust TrustIn(string folder) => RelayTrust.FromCertificateFile(Path.Combine(folder, ".relay-emulator", DevelopmentCertificate.CertificateFileName));

    public static async Task SignalAsync(Process process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(Cancel);
    }
}
