using System.Diagnostics;
using Spectre.Console;

namespace Backup.LocalStack.Progress;

/// <summary>One thing the stack is doing or has done.</summary>
internal sealed class Step(string title, Board board)
{
    private readonly Stopwatch _elapsed = Stopwatch.StartNew();
    private bool _failed;

    public string Title { get; } = title;

    public TimeSpan Elapsed => _elapsed.Elapsed;

    public bool? Succeeded { get; private set; }

    public string Detail { get; private set; } = string.Empty;

    /// <summary>Says how far it is; for people watching, not kept.</summary>
    public void Say(string detail)
    {
        if (Detail != detail)
        {
            Detail = detail;
            board.Changed(this);
        }
    }

    /// <summary>Says what came of it; shown when it ends.</summary>
    public void Conclude(string detail) => Detail = detail;

    /// <summary>Shows the step as failed when it ends, although it ends without an exception.</summary>
    public void Fail(string detail)
    {
        _failed = true;
        Conclude(detail);
    }

    internal void End(bool succeeded)
    {
        _elapsed.Stop();
        Succeeded = succeeded && !_failed;
        board.Changed(this);
    }
}

/// <summary>Shows the steps of the run as they happen: a live table on a terminal, plain lines in a pipe.</summary>
internal sealed class Board(IAnsiConsole console)
{
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RedrawInterval = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private readonly List<Step> _steps = [];
    private readonly Dictionary<Step, TimeSpan> _lastLine = [];
    private readonly bool _isLive = console.Profile.Capabilities.Interactive && console.Profile.Capabilities.Ansi;

    /// <summary>Shows the board while the work runs.</summary>
    public async Task<T> ShowAsync<T>(Func<Task<T>> work)
    {
        if (!_isLive)
        {
            return await work().ConfigureAwait(false);
        }

        return await console.Live(Render()).StartAsync(async live =>
        {
            var running = work();
            using var redraw = new PeriodicTimer(RedrawInterval);
            while (!running.IsCompleted)
            {
                await Task.WhenAny(running, redraw.WaitForNextTickAsync().AsTask()).ConfigureAwait(false);
                live.UpdateTarget(Render());
            }

            return await running.ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <summary>Does one step and shows how it goes.</summary>
    public async Task<T> StepAsync<T>(string title, Func<Step, Task<T>> work)
    {
        var step = new Step(title, this);
        lock (_gate)
        {
            _steps.Add(step);
        }

        try
        {
            var result = await work(step).ConfigureAwait(false);
            step.End(succeeded: true);
            return result;
        }
        catch
        {
            step.End(succeeded: false);
            throw;
        }
    }

    /// <inheritdoc cref="StepAsync{T}"/>
    public Task StepAsync(string title, Func<Step, Task> work) => StepAsync(title, async step =>
    {
        await work(step).ConfigureAwait(false);
        return true;
    });

    internal void Changed(Step step)
    {
        if (_isLive)
        {
            return;
        }

        lock (_gate)
        {
            // A pipe gets each end, and of a long step a line now and then.
            if (step.Succeeded is null && step.Elapsed - _lastLine.GetValueOrDefault(step) < PlainInterval)
            {
                return;
            }

            _lastLine[step] = step.Elapsed;
            var state = step.Succeeded switch { true => "done  ", false => "FAILED", null => "  ... " };
            console.WriteLine($"{state} {step.Elapsed.TotalSeconds,6:0.0} s  {step.Title}{(step.Detail.Length > 0 ? ": " + step.Detail : string.Empty)}");
        }
    }

    private Table Render()
    {
        var table = new Table().NoBorder().HideHeaders().AddColumns("state", "time", "what");
        lock (_gate)
        {
            foreach (var step in _steps)
            {
                var mark = step.Succeeded switch { true => "[green]✓[/]", false => "[red]✗[/]", null => "[yellow]…[/]" };
                var detail = step.Detail.Length > 0 ? $" [grey]{Markup.Escape(step.Detail)}[/]" : string.Empty;
                table.AddRow(new Markup(mark), new Markup($"[grey]{step.Elapsed.TotalSeconds,6:0.0} s[/]"), new Markup(Markup.Escape(step.Title) + detail));
            }
        }

        return table;
    }
}
