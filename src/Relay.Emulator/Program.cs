using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Backup.Relay;
using Backup.Relay.Emulator;
using Microsoft.Extensions.Logging;

return await EmulatorProgram.RunAsync(args).ConfigureAwait(false);

internal static class EmulatorProgram
{
    private const string Usage = """
        Backup.Relay.Emulator: Azure Relay Hybrid Connections on this machine

          --config FILE            serve what the file describes (see README.md)
          --ready-file FILE        write the port here once connections are accepted
          --make-certificate DIR   keep certificate.pem and certificate.key for localhost in DIR, then exit
          (none)                   serve one connection 'hyco' on port 5443 with keys kept in .local/relay-emulator
        """;

    public static async Task<int> RunAsync(string[] args)
    {
        if (!TryParse(args, out var arguments)) return Fail(Usage, 2);
        using var logs = LoggerFactory.Create(logging => logging.AddSimpleConsole(console => console.SingleLine = true));
        try
        {
            if (arguments.TryGetValue("--make-certificate", out var folder))
            {
                Console.WriteLine(DevelopmentCertificate.Ensure(folder, TimeProvider.System));
                return 0;
            }
            var options = arguments.TryGetValue("--config", out var file) ? EmulatorConfiguration.Load(file) : TryOut();
            return await ServeAsync(options, arguments.GetValueOrDefault("--ready-file"), logs).ConfigureAwait(false);
        }
        catch (EmulatorException e)
        {
            return Fail(e.Message, 1);
        }
    }

    private static async Task<int> ServeAsync(RelayEmulatorOptions options, string? readyFile, ILoggerFactory logs)
    {
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        var emulator = await RelayEmulator.StartAsync(options, CancellationToken.None, logs).ConfigureAwait(false);
        await using var _ = emulator.ConfigureAwait(false);
        if (readyFile is not null)
        {
            // Renamed into place, so that nobody reads half a number.
            await File.WriteAllTextAsync(readyFile + ".new", $"{emulator.Port}\n").ConfigureAwait(false);
            File.Move(readyFile + ".new", readyFile, overwrite: true);
        }
        await stop.Task.ConfigureAwait(false);
        return 0;

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }
    }

    /// <summary>Something to develop against without writing a configuration first.</summary>
    private static RelayEmulatorOptions TryOut()
    {
        var folder = Path.Combine(".local", "relay-emulator");
        var certificate = DevelopmentCertificate.Ensure(folder, TimeProvider.System);
        var keyFile = Path.Combine(folder, "root.key");
        if (!File.Exists(keyFile))
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using var file = new StreamWriter(new FileStream(keyFile, options));
            file.Write(Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        }
        Console.WriteLine($"Endpoint sb://localhost:5443, path hyco, rule RootManageSharedAccessKey, key in {keyFile}, trust {certificate}");
        return new RelayEmulatorOptions
        {
            Port = 5443,
            Certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPemFile(certificate, Path.Combine(folder, DevelopmentCertificate.KeyFileName)),
            Rules = [new EmulatorRule("RootManageSharedAccessKey", [File.ReadAllText(keyFile).Trim()], RelayRights.Manage)],
            Entities = [new EmulatorEntity(EntityPath.Parse("hyco"))],
        };
    }

    private static bool TryParse(string[] args, out Dictionary<string, string> arguments)
    {
        arguments = [];
        for (var at = 0; at < args.Length; at += 2)
        {
            if (args[at] is not ("--config" or "--ready-file" or "--make-certificate") || at + 1 == args.Length || !arguments.TryAdd(args[at], args[at + 1])) return false;
        }
        return true;
    }

    private static int Fail(string message, int exitCode)
    {
        Console.Error.WriteLine(message);
        return exitCode;
    }
}
