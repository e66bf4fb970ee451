namespace Backup.Relay.Emulator;

/// <summary>Notices changed files by looking at their size and time: works on every file system, and whatever an editor does to save.</summary>
internal sealed class ConfigurationWatch(TimeProvider clock)
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(500);

    private IReadOnlyList<(DateTime Time, long Length)>? _known;

    /// <summary>Waits until a file has changed and stays as it is for one look, or until asked to read again.</summary>
    public async Task WaitAsync(IReadOnlyList<string> files, SemaphoreSlim asked, CancellationToken stop)
    {
        // What was seen last time counts: a change during the reload is found at the first look.
        _known = _known?.Count == files.Count ? _known : Look(files);
        var last = _known;
        while (true)
        {
            using var pause = new CancellationTokenSource(LookInterval, clock);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(pause.Token, stop);
            try
            {
                await asked.WaitAsync(either.Token).ConfigureAwait(false);
                _known = Look(files);
                return;
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                var now = Look(files);
                if (now.SequenceEqual(last) && !now.SequenceEqual(_known))
                {
                    _known = now;
                    return;
                }
                last = now;
            }
        }
    }

    private static IReadOnlyList<(DateTime Time, long Length)> Look(IReadOnlyList<string> files) => [.. files.Select(file =>
    {
        var info = new FileInfo(file);
        return info.Exists ? (info.LastWriteTimeUtc, info.Length) : default;
    })];
}
