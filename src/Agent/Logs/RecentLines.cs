using System.Text.RegularExpressions;
using Backup.AgentApi;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Logs;

/// <summary>
/// The newest lines of the log, in memory and bounded, for the log query. Nothing that is logged holds a secret; what looks like one all
/// the same is masked, because here it would leave the machine.
/// </summary>
internal sealed partial class RecentLines(TimeProvider time) : ILoggerProvider
{
    private readonly Lock _gate = new();
    private readonly Queue<LogLine> _lines = new(LogQuery.LinesMax);

    public LogTail Tail(LogQuery query)
    {
        ArgumentNullException.ThrowIfNull(query);
        lock (_gate)
        {
            var about = query.OrderId is { } id ? _lines.Where(l => l.Text.Contains(id.Value, StringComparison.Ordinal)) : _lines;
            return new LogTail { Lines = [.. about.TakeLast(query.Lines)] };
        }
    }

    public ILogger CreateLogger(string categoryName) => new Writer(this);

    public void Dispose()
    {
        // Holds nothing but memory.
    }

    internal static string Mask(string text) => Secret().Replace(text, "$1***");

    private void Add(LogLevel level, EventId id, string text, Exception? cause)
    {
        var whole = cause is null ? text : $"{text} ({cause.GetType().Name}: {cause.Message.Split('\n')[0]})";
        whole = Mask(whole);
        var line = new LogLine
        {
            At = time.GetUtcNow(),
            Level = level.ToString().ToLowerInvariant(),
            Event = id.Id,
            Text = whole.Length <= LogQuery.LineCharsMax ? whole : whole[..LogQuery.LineCharsMax],
        };
        lock (_gate)
        {
            if (_lines.Count == LogQuery.LinesMax)
            {
                _lines.Dequeue();
            }

            _lines.Enqueue(line);
        }
    }

    [GeneratedRegex(@"((?:\bsig|\bpassword|\bpwd|\bAccountKey|\bSharedAccessKey|\bSharedAccessSignature|\bsb-hc-token)\s*[=:]\s*)[^\s;&""']+", RegexOptions.IgnoreCase)]
    private static partial Regex Secret();

    private sealed class Writer(RecentLines lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                lines.Add(logLevel, eventId, formatter(state, exception), exception);
            }
        }
    }
}
