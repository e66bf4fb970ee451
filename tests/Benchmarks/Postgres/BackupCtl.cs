using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Backup.Benchmarks.Postgres;

/// <summary>Runs <c>backupctl</c>: the published one that the variable BACKUPCTL names, else the one built beside this program.</summary>
internal static class BackupCtl
{
    /// <summary>Starts a command; its output is piped here.</summary>
    internal static Process Start(params string[] arguments)
    {
        // Beside this program, and with its dependencies: those that the shared frameworks of both have are there only once.
        string[] words = Environment.GetEnvironmentVariable("BACKUPCTL") is { Length: > 0 } published
            ? [published, .. arguments]
            : ["dotnet", "exec", "--runtimeconfig", Beside("Backup.Benchmarks.runtimeconfig.json"), "--depsfile", Beside("Backup.Benchmarks.deps.json"), Beside("backupctl.dll"), .. arguments];
        return Process.Start(new ProcessStartInfo(words[0], words[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
    }

    /// <summary>Runs a command to its end.</summary>
    /// <returns>The processor time it took, in seconds, to a hundredth.</returns>
    /// <exception cref="InvalidOperationException">It failed; the message holds what it said.</exception>
    internal static async Task<double> RunAsync(params string[] arguments)
    {
        using var command = Start(arguments);
        var output = command.StandardOutput.ReadToEndAsync();
        var errors = command.StandardError.ReadToEndAsync();
        var seconds = 0.0;
        // A process that has ended tells nothing any more: what it had used last counts.
        while (!command.HasExited)
        {
            seconds = ProcessorSeconds(command.Id) ?? seconds;
            await Task.Delay(10);
        }

        if (command.ExitCode != 0)
            throw new InvalidOperationException($"backupctl {arguments[0]} ended with {command.ExitCode}: {await errors}{await output}");
        return seconds;
    }

    /// <summary>Reads what a command says until a line holds a text.</summary>
    /// <exception cref="InvalidOperationException">It ended before.</exception>
    internal static async Task UntilAsync(StreamReader reader, string text)
    {
        var said = new StringBuilder();
        while (await reader.ReadLineAsync() is { } line)
        {
            said.AppendLine(line);
            if (line.Contains(text, StringComparison.Ordinal))
                return;
        }

        throw new InvalidOperationException($"The command ended before it said \"{text}\": {said}");
    }

    /// <summary>The processor time of a process so far, user and system, in seconds; null when there is none.</summary>
    internal static double? ProcessorSeconds(int process)
    {
        const double TicksPerSecond = 100;
        try
        {
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/stat"));
            // Behind the name, which may hold anything: state is field 3; user and system time are 14 and 15.
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string Beside(string name) => Path.Combine(AppContext.BaseDirectory, name);
}
