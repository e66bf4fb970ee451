namespace Backup.Relay;

/// <summary>A response whose beginning has been read, so that it is known whether it fits the control channel.</summary>
internal sealed class ResponseBody : IAsyncDisposable
{
    private readonly RelayResponse _response;
    private readonly Stream? _rest;

    private ResponseBody(RelayResponse response, ReadOnlyMemory<byte> start, Stream? rest)
    {
        _response = response;
        Start = start;
        _rest = rest;
    }

    public ReadOnlyMemory<byte> Start { get; }

    public bool HasBody => Start.Length > 0;

    public bool FitsControl => _rest is null && Start.Length <= ControlText.BodyBytesMax;

    public static async Task<ResponseBody> StartAsync(RelayResponse response, CancellationToken cancel)
    {
        if (response.Stream is not { } stream) return new ResponseBody(response, response.Bytes, null);
        var start = new byte[ControlText.BodyBytesMax + 1];
        try
        {
            var length = await stream.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancel).ConfigureAwait(false);
            if (length == start.Length) return new ResponseBody(response, start, stream);
            await stream.DisposeAsync().ConfigureAwait(false);
            return new ResponseBody(response, start.AsMemory(0, length), null);
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public ControlMessage Message(string? requestId) => new()
    {
        Response = new ResponseMessage
        {
            RequestId = requestId,
            StatusCode = _response.StatusCode,
            StatusDescription = _response.Reason,
            ResponseHeaders = new Dictionary<string, string>(_response.Headers),
            Body = HasBody,
        },
    };

    /// <summary>The body from its first byte.</summary>
    public Stream Whole() => _rest is null ? new MemoryStream(Start.ToArray(), writable: false) : new PrefixedStream(Start, _rest);

    public ValueTask DisposeAsync() => _rest?.DisposeAsync() ?? ValueTask.CompletedTask;

    private sealed class PrefixedStream(ReadOnlyMemory<byte> prefix, Stream rest) : ReadStream
    {
        private ReadOnlyMemory<byte> _prefix = prefix;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_prefix.Length == 0) return await rest.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            var count = Math.Min(buffer.Length, _prefix.Length);
            _prefix[..count].CopyTo(buffer);
            _prefix = _prefix[count..];
            return count;
        }
    }
}
