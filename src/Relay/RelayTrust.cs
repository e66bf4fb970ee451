using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Backup.Relay;

/// <summary>Which certificates a connection to the relay accepts. There is no way to switch validation off.</summary>
public sealed class RelayTrust
{
    private readonly X509Certificate2Collection? _roots;

    private RelayTrust(X509Certificate2Collection? roots) => _roots = roots;

    /// <summary>The machine's own trust store: right for the real service.</summary>
    public static RelayTrust System { get; } = new(null);

    /// <summary>
    /// Trusts exactly the certificates of one PEM file, as roots, for these connections only. Names and dates are still checked.
    /// Meant for the emulator and for inspecting proxies that have a certificate of their own.
    /// </summary>
    /// <exception cref="RelayException">The file is missing or holds no certificate.</exception>
    public static RelayTrust FromCertificateFile(string path)
    {
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw Unusable(path, e);
        }
        return roots.Count > 0 ? new RelayTrust(roots) : throw Unusable(path, null);
    }

    /// <summary>The given file's certificates when there is a path, else the machine's trust store.</summary>
    /// <exception cref="RelayException">The file is missing or holds no certificate.</exception>
    public static RelayTrust FromOptionalCertificateFile(string? path) => string.IsNullOrEmpty(path) ? System : FromCertificateFile(path);

    internal void Apply(SocketsHttpHandler handler)
    {
        if (_roots is null) return;
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            // A private root publishes no revocation list; asking for one would only ever fail.
            RevocationMode = X509RevocationMode.NoCheck,
        };
        policy.CustomTrustStore.AddRange(_roots);
        policy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1"));
        handler.SslOptions.CertificateChainPolicy = policy;
    }

    private static RelayException Unusable(string path, Exception? cause) =>
        new(RelayFault.Configuration, $"'{path}' holds no certificate to trust.", "Give the path of a PEM file with one or more certificates.", cause);
}
