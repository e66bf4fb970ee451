using Backup.Relay.Emulator;
using Microsoft.Extensions.Logging;

return await EmulatorProgram.RunAsync(args).ConfigureAwait(false);

internal static class EmulatorProgram
{
    private const string Usage = """
        Azure Relay Hybrid Connections on this machine: for developing and testing listeners and senders.

        usage: Backup.Relay.Emulator [--config FILE] [--ready-file FILE]
               Backup.Relay.Emulator --make-certificate DIR

          --config FILE            serve what the file describes (src/Relay.Emulator/README.md shows one)
          --ready-file FILE        write the port here once connections are accepted
          --make-certificate DIR   keep certificate.pem and certificate.key for localhost in DIR, then exit
          --help                   show this

        Without --config it serves .local/relay-emulator/relay.json below the current folder, and makes that file, its keys and a
        certificate when they are not there. Endpoint, key files and sample commands are printed.

        The configuration, its key files and its certificates are read again when one of them changes, and on SIGHUP. A
        configuration with a fault is reported and not taken over. Ctrl-C and SIGTERM close every connection with 1001.

        Exit codes: 0 stopped, 1 the configuration, the certificate or the port cannot be used, 2 wrong arguments.
        """;

    public static async Task<int> RunAsync(string[] args)
    {
        if (args is ["--help" or "-h" or "-?"])
        {
            Console.WriteLine(Usage);
            return 0;
        }
        if (Misused(args, out var arguments) is { } misuse) return Fail($"{misuse}\n\n{Usage}", 2);
        using var logs = LoggerFactory.Create(logging => logging.AddSimpleConsole(console => console.SingleLine = true));
        try
        {
            if (arguments.TryGetValue("--make-certificate", out var folder))
            {
                Console.WriteLine(DevelopmentCertificate.Ensure(folder, TimeProvider.System));
                return 0;
            }
            var file = arguments.GetValueOrDefault("--config") ?? TryOut.Prepare(Path.Combine(".local", "relay-emulator"), Console.Out);
            using var process = new EmulatorProcess(file, TimeProvider.System, logs);
            await process.RunAsync(arguments.GetValueOrDefault("--ready-file")).ConfigureAwait(false);
            return 0;
        }
        catch (EmulatorException e)
        {
            return Fail(e.Message, 1);
        }
    }

    /// <summary>What is wrong with the arguments; null when nothing is.</summary>
    private static string? Misused(string[] args, out Dictionary<string, string> arguments)
    {
        arguments = [];
        for (var at = 0; at < args.Length; at += 2)
        {
            if (args[at] is not ("--config" or "--ready-file" or "--make-certificate")) return $"'{args[at]}' is not known.";
            if (at + 1 == args.Length) return $"'{args[at]}' needs a value.";
            if (!arguments.TryAdd(args[at], args[at + 1])) return $"'{args[at]}' is given twice.";
        }
        return arguments.ContainsKey("--make-certificate") && arguments.Count > 1 ? "'--make-certificate' stands alone." : null;
    }

    private static int Fail(string message, int exitCode)
    {
        Console.Error.WriteLine(message);
        return exitCode;
    }
}
