namespace Backup.LocalStack.Services;

/// <summary>Writes a child's output to its log file, keeps the newest lines and wakes those who wait for a line.</summary>
internal sealed class ChildLog : IDisposable
{
    private const int LinesKeptMax = 30;
    private const int LineLengthMax = 2000;

    private readonly Lock _gate = new();
    private readonly Queue<string> _newest = new();
    private readonly List<(Predicate<string> Fits, TaskCompletionSource<string?> Found)> _waiting = [];
    private readonly StreamWriter _file;
    private bool _ended;

    public ChildLog(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        _file = new StreamWriter(path, new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        })
        {
            AutoFlush = true,
        };
    }

    /// <summary>Completes when all readers reached the end of the child's output.</summary>
    public Task Drained { get; private set; } = Task.CompletedTask;

    public void Follow(params IEnumerable<TextReader> outputs) => Drained = DrainAsync([.. outputs.Select(PumpAsync)]);

    public IReadOnlyList<string> LastLines()
    {
        lock (_gate)
        {
            return [.. _newest];
        }
    }

    /// <summary>The first line that fits, out of those kept (unless only new ones count) and those to come; null when the output ended without one.</summary>
    public Task<string?> WaitForLineAsync(Predicate<string> fits, bool onlyNew, CancellationToken cancel)
    {
        var found = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (!onlyNew && _newest.FirstOrDefault(line => fits(line)) is { } line)
            {
                return Task.FromResult<string?>(line);
            }

            if (_ended)
            {
                return Task.FromResult<string?>(null);
            }

            _waiting.Add((fits, found));
        }

        return found.Task.WaitAsync(cancel);
    }

    public void Dispose() => _file.Dispose();

    private async Task DrainAsync(Task[] pumps)
    {
        await Task.WhenAll(pumps).ConfigureAwait(false);
        lock (_gate)
        {
            _ended = true;
            _waiting.ForEach(w => w.Found.TrySetResult(null));
            _waiting.Clear();
        }
    }

    private async Task PumpAsync(TextReader output)
    {
        while (await output.ReadLineAsync().ConfigureAwait(false) is { } line)
        {
            lock (_gate)
            {
                _file.WriteLine(line);
                _newest.Enqueue(line.Length <= LineLengthMax ? line : line[..LineLengthMax] + "…");
                if (_newest.Count > LinesKeptMax)
                {
                    _newest.Dequeue();
                }

                foreach (var waiter in _waiting.Where(w => w.Fits(line)).ToList())
                {
                    waiter.Found.TrySetResult(line);
                    _waiting.Remove(waiter);
                }
            }
        }
    }
}
