using System.CommandLine;
using Npgsql;

namespace Backup.LocalStack.Run;

/// <summary>The command line: <c>[--once] [--protect PATH]... [--postgres CONNECTION] [--state DIR] [--http-port N]</c>.</summary>
internal static class CommandLine
{
    // Ctrl-C: how long all children together may take to end before this process gives up on them (they die with it).
    private static readonly TimeSpan StopLimit = TimeSpan.FromMinutes(2);

    private static readonly Option<bool> Once = new("--once") { Description = "End after the result (exit code 0 only if every restore matched) instead of serving until Ctrl-C." };
    private static readonly Option<string[]> Protect = new("--protect") { Description = "A folder of yours to protect too; may be given several times.", HelpName = "PATH" };
    private static readonly Option<string?> Postgres = new("--postgres") { Description = "A PostgreSQL server of yours to protect too, as an Npgsql connection string of a superuser. Its data folder must be readable here.", HelpName = "CONNECTION" };
    private static readonly Option<string?> State = new("--state") { Description = "Where everything is kept; default: .local in the checkout.", HelpName = "DIR" };
    private static readonly Option<int?> HttpPort = new("--http-port") { Description = "The port of the Functions app on 127.0.0.1; default: a free one.", HelpName = "N" };

    /// <summary>Runs the stack as the arguments say.</summary>
    /// <returns>The exit code.</returns>
    public static Task<int> InvokeAsync(string[] args, Func<StackOptions, CancellationToken, Task<int>> run)
    {
        var root = new RootCommand("Runs the whole backup system on this machine with real services, backs up sample data, restores it and compares.") { Once, Protect, Postgres, State, HttpPort };
        Protect.Validators.Add(result =>
        {
            foreach (var missing in (result.GetValueOrDefault<string[]>() ?? []).Where(path => !Directory.Exists(path)))
            {
                result.AddError($"--protect {missing}: there is no such folder");
            }
        });
        Postgres.Validators.Add(result =>
        {
            try
            {
                _ = new NpgsqlConnectionStringBuilder(result.GetValueOrDefault<string?>());
            }
            catch (ArgumentException malformed)
            {
                result.AddError($"--postgres: {malformed.Message}");
            }
        });
        root.SetAction((parsed, cancel) => run(new StackOptions
        {
            Once = parsed.GetValue(Once),
            Protect = [.. (parsed.GetValue(Protect) ?? []).Select(Path.GetFullPath)],
            Postgres = parsed.GetValue(Postgres),
            StateFolder = Path.GetFullPath(parsed.GetValue(State) ?? Path.Combine(Checkout.Root, ".local")),
            HttpPort = parsed.GetValue(HttpPort),
        }, cancel));
        return root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = StopLimit });
    }
}
