using System.Diagnostics;
using System.Globalization;
using Backup.Relay.Emulator;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Backup.Relay.Tests.Emulator;

/// <summary>The emulator as a process, as the local stack starts it.</summary>
public sealed class ProgramTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("emulator-tests-").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Program_WithAConfiguration_ServesAndStopsOnSigterm()
    {
        using (var making = Start("--make-certificate", Path.Combine(_folder, "tls")))
        {
            (await making.StandardOutput.ReadToEndAsync(Cancel)).Trim().ShouldBe(Path.Combine(_folder, "tls", "certificate.pem"));
            await making.WaitForExitAsync(Cancel);
            making.ExitCode.ShouldBe(0);
        }
        await File.WriteAllTextAsync(Path.Combine(_folder, "root.key"), "the-key\n", Cancel);
        await File.WriteAllTextAsync(Path.Combine(_folder, "relay.json"), """
            {
              // comments are welcome
              "certificateFile": "tls/certificate.pem", "certificateKeyFile": "tls/certificate.key",
              "rules": [ { "name": "root", "keyFile": "root.key", "rights": ["Listen", "Send"] } ],
              "entities": [ { "path": "agents/a" }, ],
            }
            """, Cancel);
        var ready = Path.Combine(_folder, "ready");
        using var program = Start("--config", Path.Combine(_folder, "relay.json"), "--ready-file", ready);
        try
        {
            while (!File.Exists(ready))
            {
                program.HasExited.ShouldBeFalse();
                await Task.Delay(10, Cancel);
            }
            var connection = new RelayConnection
            {
                Endpoint = RelayEndpoint.Parse($"sb://localhost:{int.Parse(await File.ReadAllTextAsync(ready, Cancel), CultureInfo.InvariantCulture)}"),
                Tokens = SasTokens.FromKeyFile("root", Path.Combine(_folder, "root.key"), TimeProvider.System),
                Trust = RelayTrust.FromCertificateFile(Path.Combine(_folder, "tls", "certificate.pem")),
            };
            var entity = EntityPath.Parse("agents/a");
            using var stop = new CancellationTokenSource();
            using var listener = new RelayListener(new RelayListenerOptions { Connection = connection, Entity = entity }, (_, _) => Task.FromResult(RelayResponse.Empty(202)), NullLogger<RelayListener>.Instance);
            var running = listener.RunAsync(stop.Token);
            await listener.WaitUntilOnlineAsync(Cancel);
            using var sender = new RelaySender(connection);
            (await sender.SendAsync(entity, new RelayCall { Body = new byte[] { 1 } }, Cancel)).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(202);
            await stop.CancelAsync();
            await running;
            using var kill = Process.Start("kill", ["-TERM", program.Id.ToString(CultureInfo.InvariantCulture)]);
            await program.WaitForExitAsync(Cancel);
            program.ExitCode.ShouldBe(0);
        }
        finally
        {
            if (!program.HasExited) program.Kill();
        }
    }

    [Fact]
    public async Task Program_WithAWrongConfiguration_SaysEverythingAndDoesNotStart()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "relay.json"), """
            { "port": 99999, "noListenerStatus": 200, "certificateFile": "absent.pem", "certificateKeyFile": "absent.key",
              "rules": [ { "name": "r", "keyFile": "absent", "rights": ["Fly"] } ], "entities": [ { "path": "a//b" }, { "path": "c" }, { "path": "C" } ] }
            """, Cancel);
        var failure = Should.Throw<EmulatorException>(() => EmulatorConfiguration.Load(Path.Combine(_folder, "relay.json")));
        foreach (var part in new[] { "'port'", "'noListenerStatus'", "certificate cannot be read", "'Fly' is not Listen", "absent", "a//b", "'c' is listed twice" })
            failure.Message.ShouldContain(part, Case.Insensitive);
        using var program = Start("--config", Path.Combine(_folder, "relay.json"));
        await program.WaitForExitAsync(Cancel);
        program.ExitCode.ShouldBe(1);
    }

    [Theory]
    [InlineData("""{ "entities": [], "certificateFile": "x", "certificateKeyFile": "y", "enttities": [] }""", "enttities")]
    [InlineData("""{ "entities": [] }""", "certificateFile")]
    [InlineData("null", "null")]
    [InlineData("{", "cannot be read")]
    public void Load_OfWhatIsNoConfiguration_NamesTheFault(string text, string named)
    {
        File.WriteAllText(Path.Combine(_folder, "relay.json"), text);
        Should.Throw<EmulatorException>(() => EmulatorConfiguration.Load(Path.Combine(_folder, "relay.json"))).Message.ShouldContain(named);
    }

    [Fact]
    public async Task Program_WithUnknownArguments_ShowsItsUsage()
    {
        using var program = Start("--conifg", "x");
        (await program.StandardError.ReadToEndAsync(Cancel)).ShouldContain("--config FILE");
        await program.WaitForExitAsync(Cancel);
        program.ExitCode.ShouldBe(2);
    }

    [Fact]
    public void Ensure_KeepsAGoodCertificate_AndReplacesAnOldDamagedOrMixedOne()
    {
        var clock = FakeTime.New();
        var path = DevelopmentCertificate.Ensure(_folder, clock);
        var first = File.ReadAllText(path);
        DevelopmentCertificate.Ensure(_folder, clock);
        File.ReadAllText(path).ShouldBe(first);
        if (!OperatingSystem.IsWindows())
            File.GetUnixFileMode(Path.Combine(_folder, DevelopmentCertificate.KeyFileName)).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);

        File.WriteAllText(path, DevelopmentCertificate.Create(clock).ExportCertificatePem());
        DevelopmentCertificate.Ensure(_folder, clock);
        var second = File.ReadAllText(path);
        second.ShouldNotBe(first);
        File.WriteAllText(path, "damaged");
        DevelopmentCertificate.Ensure(_folder, clock);
        var third = File.ReadAllText(path);
        third.ShouldStartWith("-----BEGIN CERTIFICATE-----");
        clock.Advance(TimeSpan.FromDays(340));
        DevelopmentCertificate.Ensure(_folder, clock);
        File.ReadAllText(path).ShouldNotBe(third);
    }

    [Fact]
    public async Task StartAsync_OnATakenPort_SaysSo()
    {
        await using var bed = await RelayTestBed.StartAsync();
        var options = RelayTestBed.Options() with { Port = bed.Emulator.Port };
        (await Should.ThrowAsync<EmulatorException>(() => RelayEmulator.StartAsync(options, Cancel))).Fault.ShouldBe(EmulatorFault.Port);
    }

    private static Process Start(params string[] arguments) => Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Backup.Relay.Emulator.dll"), .. arguments])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;
}
