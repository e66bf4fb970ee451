using System.Diagnostics;

namespace Backup.Sources.Postgres.Dumps;

/// <summary>One run of a program of PostgreSQL, fed and read at the same time.</summary>
internal static class ProgramRun
{
    /// <summary>Runs it to its end. It is killed, and never sees the end of its input, when what feeds or reads it fails.</summary>
    /// <param name="command">As <see cref="DumpPrograms.Command"/> makes it.</param>
    /// <param name="feed">Writes its input; null for none. What a program does not want to read any more is let go.</param>
    /// <param name="take">Reads its output; null to let it go.</param>
    /// <param name="cancel">Gives up.</param>
    internal static async Task<(int Code, ProgramWords Words)> RunAsync(ProcessStartInfo command, Func<Stream, Task>? feed, Func<Stream, Task>? take, CancellationToken cancel)
    {
        using var process = Process.Start(command)!;
        var words = new ProgramWords();
        var listening = words.ReadAsync(process.StandardError);
        try
        {
            using var stopping = cancel.Register(process.Kill);
            await Task.WhenAll(KillingAsync(FeedAsync(process, feed)), KillingAsync(take is null ? process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, CancellationToken.None) : take(process.StandardOutput.BaseStream)));
        }
        finally
        {
            await process.WaitForExitAsync(CancellationToken.None);
        }

        await listening;
        cancel.ThrowIfCancellationRequested();
        return (process.ExitCode, words);

        async Task KillingAsync(Task work)
        {
            try
            {
                await work;
            }
            catch
            {
                process.Kill();
                throw;
            }
        }
    }

    private static async Task FeedAsync(Process process, Func<Stream, Task>? feed)
    {
        try
        {
            if (feed is not null)
                await feed(process.StandardInput.BaseStream);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended before its input did: its code and its words say whether that is well.
        }
    }
}
