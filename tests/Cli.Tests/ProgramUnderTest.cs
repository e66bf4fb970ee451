using System.Diagnostics;
using System.Text;

namespace Backup.Cli.Tests;

/// <summary>
/// <c>backupctl</c> as a process. <c>BACKUPCTL</c> names a published program (its whole path) that all tests then run instead of the code within their own process:
/// what was compiled by Native AOT is another program than what these tests were built with.
/// </summary>
internal static class ProgramUnderTest
{
    private static readonly string? Published = Environment.GetEnvironmentVariable("BACKUPCTL") is { Length: > 0 } path ? path : null;

    public static bool IsPublished => Published is not null;

    /// <summary>What starts it, ahead of its own arguments.</summary>
    public static string[] CommandLine { get; } = Published is { } program ? [program] : [Dotnet, Path.Combine(AppContext.BaseDirectory, "backupctl.dll")];

    private static string Dotnet => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet";

    public static ProcessStartInfo Start(params string[] arguments) => new(CommandLine[0], [.. CommandLine[1..], .. arguments]) { RedirectStandardOutput = true };

    /// <summary>Runs it to its end with no other settings than those given.</summary>
    public static async Task<CliResult> RunAsync(string[] arguments, IReadOnlyDictionary<string, string> environment, CancellationToken cancel)
    {
        var start = Start(arguments);
        start.RedirectStandardInput = start.RedirectStandardError = true;
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("BACKUP_", StringComparison.Ordinal) || name.StartsWith("AZURE_", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(name);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        using var raw = new MemoryStream();
        var error = process.StandardError.ReadToEndAsync(cancel);
        await process.StandardOutput.BaseStream.CopyToAsync(raw, cancel);
        await process.WaitForExitAsync(cancel);
        return new CliResult(process.ExitCode, Encoding.UTF8.GetString(raw.ToArray()), await error, raw.ToArray());
    }
}
