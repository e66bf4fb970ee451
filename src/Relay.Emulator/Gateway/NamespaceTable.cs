using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Backup.Relay.Emulator;

/// <summary>A namespace that is served: its host's certificate and its gateway.</summary>
internal sealed record ServedNamespace(string Host, SslServerAuthenticationOptions Tls, RelayGateway Gateway);

/// <summary>All namespaces by host.</summary>
internal sealed class NamespaceTable(ILogger logger) : IDisposable
{
    private readonly SemaphoreSlim _changing = new(1, 1);
    private volatile IReadOnlyList<ServedNamespace> _all = [];
    private long _requestsSeen;

    /// <summary>The port they share, known once it is bound.</summary>
    public int Port { get; set; }

    public IReadOnlyList<ServedNamespace> All => _all;

    /// <summary>Requests and handshakes so far.</summary>
    public long RequestsSeen => Interlocked.Read(ref _requestsSeen);

    /// <summary>Every request and handshake, for whichever namespace.</summary>
    public Task HandleAsync(HttpContext context)
    {
        Interlocked.Increment(ref _requestsSeen);
        return Of(context.Request.Host.Host).Gateway.HandleAsync(context);
    }

    /// <summary>The namespace of a host; the first one for a name that none has, such as an address.</summary>
    public ServedNamespace Of(string host)
    {
        var all = _all;
        for (var at = 1; at < all.Count; at++)
            if (string.Equals(all[at].Host, host, StringComparison.OrdinalIgnoreCase)) return all[at];
        return all[0];
    }

    public void Start(IReadOnlyList<RelayEmulatorOptions> namespaces) => _all = [.. namespaces.Select(options => Serve(options, null))];

    public async Task ReloadAsync(IReadOnlyList<RelayEmulatorOptions> namespaces)
    {
        await _changing.WaitAsync().ConfigureAwait(false);
        try
        {
            var before = _all;
            var kept = namespaces.ToDictionary(options => options.Host, options => before.FirstOrDefault(space => IsHost(space, options.Host)), StringComparer.OrdinalIgnoreCase);
            _all = [.. namespaces.Select(options => Serve(options, kept[options.Host]))];
            await Task.WhenAll([
                .. namespaces.Select(options => kept[options.Host]?.Gateway.ReloadAsync(options) ?? Task.CompletedTask),
                .. before.Where(space => !kept.ContainsKey(space.Host)).Select(space => space.Gateway.RemoveAsync()),
            ]).ConfigureAwait(false);
        }
        finally
        {
            _changing.Release();
        }
    }

    public void Dispose() => _changing.Dispose();

    private static bool IsHost(ServedNamespace space, string host) => string.Equals(space.Host, host, StringComparison.OrdinalIgnoreCase);

    private ServedNamespace Serve(RelayEmulatorOptions options, ServedNamespace? before)
    {
        var tls = new SslServerAuthenticationOptions { ServerCertificateContext = SslStreamCertificateContext.Create(options.Certificate, new X509Certificate2Collection(options.CertificateChain.ToArray()), offline: true) };
        return new ServedNamespace(options.Host, tls, before?.Gateway ?? new RelayGateway(options, () => $"{options.Host}:{Port}", logger));
    }
}
