using System.Text;

namespace Backup.Cli.Output;

/// <summary>Where a command writes and what surrounds it; tests bring their own.</summary>
internal sealed record Terminal
{
    /// <summary>Results: what a script reads.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Progress, notes and errors: what a person reads.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Content written by <c>cat</c>.</summary>
    public required Func<Stream> OpenRawOut { get; init; }

    public required TextReader In { get; init; }

    /// <summary>Whether a person watches: progress is drawn only then.</summary>
    public required bool ShowsProgress { get; init; }

    public required Func<string, string?> Environment { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>This process's own.</summary>
    public static Terminal OfProcess()
    {
        // One flush per command and not one per line: listings have thousands.
        var output = new StreamWriter(OpenOut(), new UTF8Encoding(false), 1 << 14);
        return new Terminal
        {
            Out = output,
            Error = Console.Error,
            OpenRawOut = OpenOut,
            In = Console.In,
            ShowsProgress = !Console.IsErrorRedirected,
            Environment = System.Environment.GetEnvironmentVariable,
            Time = TimeProvider.System,
        };
    }

    private static Stream OpenOut() => OperatingSystem.IsWindows() ? Console.OpenStandardOutput() : new StandardOutput();
}
