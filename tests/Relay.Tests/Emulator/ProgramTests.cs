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
        using (var making = EmulatorRun.Start("--make-certificate", Path.Combine(_folder, "tls")))
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
        using var program = EmulatorRun.Start("--config", Path.Combine(_folder, "relay.json"), "--ready-file", ready);
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
            await EmulatorRun.SignalAsync(program, "TERM");
            await program.WaitForExitAsync(Cancel);
            program.ExitCode.ShouldBe(0);
        }
        finally
        {
            if (!program.HasExited) program.Kill();
        }
    }

    [Fact]
    public async Task Program_WithAWrongConfiguration_SaysEverythingWithItsPlace_AndDoesNotStart()
    {
        var file = Path.Combine(_folder, "relay.json");
        await File.WriteAllTextAsync(file, """
            { "port": 99999, "noListenerStatus": 200, "listne": "x",
              "certificateFile": "absent.pem", "certificateKeyFile": "absent.key",
              "rules": [ { "name": "r", "keyFile": "absent", "rights": ["Fly"] },
                         { "keyFile": 7, "rights": [] } ],
              "entities": [
                { "path": "a//b" },
                { "path": "c", "requiresClientAuthorization": "no" },
                { "path": "C" }, 17 ] }
            """, Cancel);
        using var program = EmulatorRun.Start("--config", file);
        var errors = await program.StandardError.ReadToEndAsync(Cancel);
        await program.WaitForExitAsync(Cancel);
        program.ExitCode.ShouldBe(1);
        foreach (var fault in new[]
        {
            ":1: 'port' must be 0 to 65535", ":1: 'noListenerStatus' must be", ":1: 'listne' is not known here", ":2: 'certificateFile' is wrong",
            ":3: 'rules[0].rights[0]' is wrong: 'Fly'", ":3: 'rules[0].keyFile' cannot be read", ":4: 'rules[1].name' is missing", ":4: 'rules[1].keyFile' must be a text",
            ":4: 'rules[1].rights' allows nothing", ":6: 'entities[0].path' is wrong", ":7: 'entities[1].requiresClientAuthorization' must be true or false",
            ":8: 'entities[2].path' is listed twice", ":8: 'entities[3]' must be an object",
        })
            errors.ShouldContain(file + fault);
    }

    [Theory]
    [InlineData("""{ "entities": [], "enttities": [] }""", ":1: 'enttities' is not known here; known are listen,")]
    [InlineData("""{ "entities": [], "certificateFile": "x" }""", "needs both 'certificateFile' and 'certificateKeyFile'")]
    [InlineData("{\n \"entities\": [],\n \"entities\": [] }", ":3: 'entities' is given twice")]
    [InlineData("""{ "namespaces": [] }""", "must list at least one namespace")]
    [InlineData("""{ "namespaces": [ { "entities": [] }, { "host": "LOCALHOST", "entities": [] } ], "rules": [] }""", "'namespaces[1]' has the same host")]
    [InlineData("""{ "namespaces": [ { "entities": [] } ], "rules": [] }""", "'rules' belongs into one of the 'namespaces'")]
    [InlineData("{}", "'entities' is missing")]
    [InlineData("null", "the file must be an object")]
    [InlineData("{\n  x", ":2:3: cannot be read as JSON")]
    public void Load_OfWhatIsNoConfiguration_NamesTheFault(string text, string named)
    {
        File.WriteAllText(Path.Combine(_folder, "relay.json"), text);
        Should.Throw<EmulatorException>(() => EmulatorConfiguration.Load(Path.Combine(_folder, "relay.json"), TimeProvider.System)).Message.ShouldContain(named);
    }

    [Fact]
    public async Task Program_WithoutAConfiguration_MakesOneToTryOut_AndTellsHowToUseIt()
    {
        using (var help = EmulatorRun.Start("--help"))
        {
            (await help.StandardOutput.ReadToEndAsync(Cancel)).ShouldContain("--config FILE");
            await help.WaitForExitAsync(Cancel);
            help.ExitCode.ShouldBe(0);
        }
        using var told = new StringWriter();
        var folder = Path.Combine(_folder, "try");
        var file = TryOut.Prepare(folder, told);
        var configuration = EmulatorConfiguration.Load(file, TimeProvider.System);
        configuration.Namespaces.ShouldHaveSingleItem().Entities.Select(entity => entity.Path.Value).ShouldBe(["hyco", "hyco-open"]);
        foreach (var told1 in new[] { "sb://localhost:5443", "root.key", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "HybridConnectionListener" }) told.ToString().ShouldContain(told1);
        var key = await File.ReadAllTextAsync(Path.Combine(folder, "root.key"), Cancel);
        told.ToString().ShouldNotContain(key);
        (await File.ReadAllTextAsync(Path.Combine(folder, "connection-string"), Cancel)).ShouldBe($"Endpoint=sb://localhost:5443/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey={key};EntityPath=hyco");
        if (!OperatingSystem.IsWindows()) File.GetUnixFileMode(Path.Combine(folder, "connection-string")).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        TryOut.Prepare(folder, told);
        (await File.ReadAllTextAsync(Path.Combine(folder, "root.key"), Cancel)).ShouldBe(key);
    }

    [Fact]
    public async Task Program_WithUnknownArguments_ShowsItsUsage()
    {
        using var program = EmulatorRun.Start("--conifg", "x");
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
}
