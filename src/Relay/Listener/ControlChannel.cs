using System.Net.WebSockets;

namespace Backup.Relay;

/// <summary>
/// One control channel: a registered WebSocket and the order of what is sent on it. A header and its body are one item that
/// nothing comes between; items that wait for each other leave together.
/// </summary>
/// <param name="socket">Owned.</param>
/// <param name="stream">What lies below it.</param>
internal sealed class ControlChannel(WebSocket socket, GatheringStream stream) : IDisposable
{
    /// <summary>How long a peer may take to take one batch before the channel counts as dead.</summary>
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(30);

    /// <summary>What is gathered at most: a TLS record holds 16 KiB, so nothing is saved beyond it.</summary>
    private const int BatchBytes = 16 * 1024;

    private readonly Lock _gate = new();
    private readonly Queue<Item> _waiting = new();
    private readonly CancellationTokenSource _deadline = new();
    private bool _isSending;

    public WebSocket Socket => socket;

    public Task<SocketMessage> ReadTextAsync(CancellationToken cancel) => SocketMessage.ReadAsync(socket, ControlText.JsonBytesReadMax, cancel);

    /// <summary>Sends a message and, when given, its body as the very next message.</summary>
    /// <exception cref="RelayException">The channel is lost; the peer may have got it.</exception>
    /// <exception cref="OperationCanceledException">None of it was sent; once begun it is sent to its end.</exception>
    public async Task SendAsync(ReadOnlyMemory<byte> text, ReadOnlyMemory<byte>? body, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        var item = new Item(text, body);
        bool mustWait;
        lock (_gate)
        {
            mustWait = _isSending;
            if (mustWait) _waiting.Enqueue(item);
            else _isSending = true;
        }
        if (!mustWait) await SendNowAsync(item).ConfigureAwait(false);
        using var onCancel = cancel.UnsafeRegister(static state => ((Item)state!).TryCancel(), item);
        await item.Sent.ConfigureAwait(false);
    }

    /// <summary>What a WebSocket throws once its connection is gone.</summary>
    public static bool IsLoss(Exception e) => e is WebSocketException or IOException or ObjectDisposedException or InvalidOperationException or OperationCanceledException;

    public void Dispose()
    {
        socket.Dispose();
        _deadline.Dispose();
    }

    /// <summary>The first of several senders sends its own item at once; what queued up meanwhile is sent by nobody's caller.</summary>
    private async Task SendNowAsync(Item item)
    {
        item.TryBegin();
        await SendBatchAsync([item]).ConfigureAwait(false);
        lock (_gate)
        {
            _isSending = _waiting.Count > 0;
            if (!_isSending) return;
        }
        _ = SendWaitingAsync();
    }

    private async Task SendWaitingAsync()
    {
        // Yield first: the sender before has what it wanted.
        await Task.Yield();
        var batch = new List<Item>();
        while (true)
        {
            lock (_gate)
            {
                for (var bytes = 0; bytes < BatchBytes && _waiting.TryDequeue(out var next);)
                {
                    if (!next.TryBegin()) continue;
                    batch.Add(next);
                    bytes += next.Bytes;
                }
                _isSending = batch.Count > 0;
                if (!_isSending) return;
            }
            await SendBatchAsync(batch).ConfigureAwait(false);
            batch.Clear();
        }
    }

    /// <summary>Ends every item of the batch, one way or the other; never throws.</summary>
    private async Task SendBatchAsync(IReadOnlyList<Item> batch)
    {
        try
        {
            // Cancelling a send tears the socket down; only a peer that stopped reading deserves that.
            _deadline.CancelAfter(SendTimeout);
            stream.Gather();
            foreach (var item in batch)
            {
                await socket.SendAsync(item.Text, WebSocketMessageType.Text, endOfMessage: true, _deadline.Token).ConfigureAwait(false);
                if (item.Body is { } body) await socket.SendAsync(body, WebSocketMessageType.Binary, endOfMessage: true, _deadline.Token).ConfigureAwait(false);
            }
            await stream.FlushGatheredAsync(_deadline.Token).ConfigureAwait(false);
            _deadline.CancelAfter(Timeout.InfiniteTimeSpan);
            foreach (var item in batch) item.Succeeded();
        }
        catch (Exception e) when (IsLoss(e))
        {
            socket.Abort();
            foreach (var item in batch) item.Failed(new RelayException(RelayFault.ConnectionLost, "The control channel is lost.", "It reconnects by itself.", e));
        }
    }

    private sealed class Item(ReadOnlyMemory<byte> text, ReadOnlyMemory<byte>? body)
    {
        private readonly TaskCompletionSource _sent = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _isTaken;

        public ReadOnlyMemory<byte> Text => text;

        public ReadOnlyMemory<byte>? Body => body;

        public int Bytes => text.Length + (body?.Length ?? 0);

        public Task Sent => _sent.Task;

        public bool TryBegin() => Interlocked.Exchange(ref _isTaken, 1) == 0;

        public void TryCancel()
        {
            if (TryBegin()) _sent.TrySetCanceled();
        }

        public void Succeeded() => _sent.TrySetResult();

        public void Failed(RelayException failure) => _sent.TrySetException(failure);
    }
}
