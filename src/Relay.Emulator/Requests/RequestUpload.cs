using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Backup.Relay.Emulator;

/// <summary>The body a sender sends.</summary>
internal sealed class RequestUpload
{
    private readonly HttpContext _context;
    private readonly RelayEmulatorOptions _options;

    public RequestUpload(HttpContext context, RelayEmulatorOptions options)
    {
        _context = context;
        _options = options;
        var length = context.Request.ContentLength;
        HasBody = length > 0 || (length is null && context.Features.GetRequiredFeature<IHttpRequestBodyDetectionFeature>().CanHaveBody);
        // A chunked body's length is not known in time, so it always goes by rendezvous.
        FitsControl = !HasBody || length <= ControlText.BodyBytesMax;
    }

    public bool HasBody { get; }

    public bool FitsControl { get; }

    /// <summary>The body as a stream that ends a gap which is too long.</summary>
    public Stream Stream => new IdleBoundStream(_context.Request.Body, _options.Limits.BodyIdleTimeout, _options.Clock);

    public async Task<ReadOnlyMemory<byte>> ReadAllAsync()
    {
        var body = new byte[(int)_context.Request.ContentLength!];
        await Stream.ReadExactlyAsync(body, _context.RequestAborted).ConfigureAwait(false);
        return body;
    }
}

/// <summary>Fails a read that takes too long.</summary>
internal sealed class IdleBoundStream(Stream inner, TimeSpan idleTimeout, TimeProvider clock) : ReadStream
{
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var reading = inner.ReadAsync(buffer, cancellationToken);
        if (reading.IsCompleted) return await reading.ConfigureAwait(false);
        try
        {
            return await reading.AsTask().WaitAsync(idleTimeout, clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException e)
        {
            throw new IOException("No part of the body came for too long.", e);
        }
    }
}
