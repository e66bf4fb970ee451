using Spectre.Console;

namespace Backup.Cli.Output;

/// <summary>How far a command is.</summary>
/// <param name="BytesDone">Bytes worked on.</param>
/// <param name="BytesTotal">The total, where it is known.</param>
/// <param name="ItemsDone">Files or objects worked on.</param>
internal readonly record struct WorkProgress(long BytesDone, long? BytesTotal, long ItemsDone);

/// <summary>Bytes, files, rate and time left on a terminal; nothing in a pipe.</summary>
internal static class ProgressView
{
    public static Task<T> RunAsync<T>(Terminal terminal, string what, bool isQuiet, Func<IProgress<WorkProgress>?, Task<T>> work) =>
        terminal.ShowsProgress && !isQuiet ? ShowAsync(terminal, what, work) : work(null);

    // Apart from the caller, so that a command in a pipe never loads the drawing library.
    private static Task<T> ShowAsync<T>(Terminal terminal, string what, Func<IProgress<WorkProgress>?, Task<T>> work)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Error) });
        return console.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn(), new RemainingTimeColumn())
            .StartAsync(async view =>
            {
                var task = view.AddTask(Markup.Escape(what), maxValue: double.MaxValue);
                task.IsIndeterminate = true;
                return await work(new TaskProgress(task, what)).ConfigureAwait(false);
            });
    }

    private sealed class TaskProgress(ProgressTask task, string what) : IProgress<WorkProgress>
    {
        private readonly Lock _gate = new();

        public void Report(WorkProgress value)
        {
            lock (_gate)
            {
                task.IsIndeterminate = value.BytesTotal is null;
                task.MaxValue = Math.Max(value.BytesTotal ?? double.MaxValue, 1);
                task.Value = value.BytesDone;
                task.Description = Markup.Escape($"{what}: {Figures.Bytes(value.BytesDone)}, {Figures.Count(value.ItemsDone)} items");
            }
        }
    }
}
