using Backup.LocalStack.Progress;
using Spectre.Console;

namespace Backup.LocalStack.Run;

/// <summary>The whole local run: start, demonstrate, show the result, serve.</summary>
internal static class LocalRun
{
    private const int ExitVerified = 0;
    private const int ExitNotVerified = 1;
    private const int ExitFault = 2;
    private const int ExitInterrupted = 130;

    /// <summary>Runs it.</summary>
    /// <returns>0: every comparison matched. 1: one did not. 2: something broke. 130: interrupted before the result.</returns>
    public static async Task<int> RunAsync(StackOptions options, IAnsiConsole console, TimeProvider time, CancellationToken cancel)
    {
        var began = time.GetTimestamp();
        try
        {
            RefuseToProtectItself(options);
            var folders = new StackFolders(options.StateFolder);
            using var held = folders.Lock();
            var board = new Board(console);
            var (stack, results) = await board.ShowAsync(() => StartAndDemonstrateAsync(options, board, time, cancel)).ConfigureAwait(false);
            await using (stack.ConfigureAwait(false))
            {
                ResultPage.Show(console, stack, results, time.GetElapsedTime(began), time.GetUtcNow());
                if (!options.Once)
                {
                    console.WriteLine($"Serving at {stack.FunctionsAddress} and backing up on schedule. Ctrl-C stops everything.");
                    await UntilCrashOrCancelAsync(stack, cancel).ConfigureAwait(false);
                }

                return results.All(r => r.IsProven) ? ExitVerified : ExitNotVerified;
            }
        }
        catch (LocalStackException fault)
        {
            console.MarkupLine($"[red]{Markup.Escape(fault.Message)}[/]");
            return ExitFault;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            console.WriteLine("Stopped.");
            return ExitInterrupted;
        }
    }

    private static void RefuseToProtectItself(StackOptions options)
    {
        foreach (var path in options.Protect.Where(p => (options.StateFolder + '/').StartsWith(p.TrimEnd('/') + '/', StringComparison.Ordinal)))
        {
            // The vault would be backed up into itself, and never be finished.
            throw new LocalStackException(LocalStackFault.Configuration, $"--protect {path} holds the state folder {options.StateFolder}", "Keep the state elsewhere with --state.");
        }
    }

    private static async Task<(Stack Stack, IReadOnlyList<AssetResult> Results)> StartAndDemonstrateAsync(
        StackOptions options, Board board, TimeProvider time, CancellationToken cancel)
    {
        var stack = await Stack.StartServicesAsync(options, board, cancel).ConfigureAwait(false);
        try
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            await using var demonstration = await Demonstration.PrepareAsync(stack, board, time, cancel).ConfigureAwait(false);
            await board.StepAsync("Relay, agent, Functions app", _ => stack.StartProgramsAsync(cancel)).ConfigureAwait(false);
            var results = demonstration.RunAsync(stop.Token);
            var crash = stack.FirstCrashAsync();
            if (await Task.WhenAny(results, crash).ConfigureAwait(false) == crash)
            {
                await stop.CancelAsync().ConfigureAwait(false);
                // Its failure, if any, follows from the crash, which is what to tell.
                await Task.WhenAny(results).ConfigureAwait(false);
                throw await crash.ConfigureAwait(false);
            }

            return (stack, await results.ConfigureAwait(false));
        }
        catch
        {
            await stack.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task UntilCrashOrCancelAsync(Stack stack, CancellationToken cancel)
    {
        var crash = stack.FirstCrashAsync();
        var interrupted = Task.Delay(Timeout.Infinite, cancel);
        if (await Task.WhenAny(crash, interrupted).ConfigureAwait(false) == crash)
        {
            throw await crash.ConfigureAwait(false);
        }
    }
}
