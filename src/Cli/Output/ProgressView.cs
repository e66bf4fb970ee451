using Spectre.Console;
using Spectre.Console.Rendering;

namespace Backup.Cli.Output;

/// <summary>How far a command is.</summary>
/// <param name="BytesDone">Bytes worked on.</param>
/// <param name="BytesTotal">The total, where it is known.</param>
/// <param name="ItemsDone">Files or objects worked on.</param>
/// <param name="Items">What these are.</param>
internal readonly record struct WorkProgress(long BytesDone, long? BytesTotal, long ItemsDone, string Items);

/// <summary>Bytes, files, rate and time left on a terminal; nothing in a pipe.</summary>
internal static class ProgressView
{
    public static Task<T> RunAsync<T>(Terminal terminal, string what, bool isQuiet, Func<IProgress<WorkProgress>?, Task<T>> work) =>
        terminal.ShowsProgress && !isQuiet ? ShowAsync(terminal, what, work) : work(null);

    // Apart from the caller, so that a command in a pipe never loads the drawing library.
    private static Task<T> ShowAsync<T>(Terminal terminal, string what, Func<IProgress<WorkProgress>?, Task<T>> work)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Error) });
        return console.Progress().AutoClear(true).Columns(ColumnsFor(console.Profile.Width))
            .StartAsync(async view =>
            {
                var task = view.AddTask(Markup.Escape($"{what}:"), maxValue: double.MaxValue);
                task.IsIndeterminate = true;
                return await work(new TaskProgress(task, what)).ConfigureAwait(false);
            });
    }

    /// <summary>What fits on one line.</summary>
    private static ProgressColumn[] ColumnsFor(int width)
    {
        const int WithTimeLeft = 64, WithBarAndSpeed = 96;
        var description = new TaskDescriptionColumn { Alignment = Justify.Left };
        var (percent, left) = (new WhenTotalIsKnown(new PercentageColumn()), new WhenTotalIsKnown(new TimeLeftColumn()));
        return width switch
        {
            < WithTimeLeft => [description],
            < WithBarAndSpeed => [description, percent, left],
            _ => [description, new ProgressBarColumn { Width = 20 }, percent, new TransferSpeedColumn(), left],
        };
    }

    private sealed class TaskProgress(ProgressTask task, string what) : IProgress<WorkProgress>
    {
        private readonly Lock _gate = new();

        public void Report(WorkProgress value)
        {
            lock (_gate)
            {
                task.IsIndeterminate = value.BytesTotal is null;
                // An estimated total may turn out too low.
                task.MaxValue = value.BytesTotal is { } total ? Math.Max(Math.Max(total, value.BytesDone), 1) : double.MaxValue;
                task.Value = value.BytesDone;
                task.Description = Markup.Escape($"{what}: {Figures.Bytes(value.BytesDone)}, {Figures.Count(value.ItemsDone)} {value.Items}");
            }
        }
    }

    /// <summary>A column about the total is empty while that is unknown, instead of wrong.</summary>
    private sealed class WhenTotalIsKnown(ProgressColumn column) : ProgressColumn
    {
        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            task.IsIndeterminate ? Text.Empty : column.Render(options, task, deltaTime);
    }

    private sealed class TimeLeftColumn : ProgressColumn
    {
        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text(task.RemainingTime is { } left ? $"{Figures.Duration(left)} left" : "");
    }
}
