using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Backup.Relay.Emulator;

/// <summary>A certificate for localhost that signs itself. Clients trust it by path; it is never installed anywhere.</summary>
public static class DevelopmentCertificate
{
    /// <summary>The certificate's file: what clients trust.</summary>
    public const string CertificateFileName = "certificate.pem";

    /// <summary>The private key's file, mode 0600.</summary>
    public const string KeyFileName = "certificate.key";

    private static readonly TimeSpan Life = TimeSpan.FromDays(365);
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(30);

    /// <summary>Makes a certificate in memory.</summary>
    /// <param name="clock">Sets its dates.</param>
    /// <param name="hosts">Further names it is good for, besides localhost and the loopback addresses.</param>
    public static X509Certificate2 Create(TimeProvider clock, params IReadOnlyList<string> hosts)
    {
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(hosts);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=relay emulator (development)", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        foreach (var host in hosts.Where(host => host != "localhost" && Uri.CheckHostName(host) == UriHostNameType.Dns)) names.AddDnsName(host);
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var now = clock.GetUtcNow();
        return request.CreateSelfSigned(now.AddHours(-1), now + Life);
    }

    /// <summary>Keeps the pair in a folder, or makes one when there is none, it is damaged, or it ends within 30 days.</summary>
    /// <param name="folder">Where; made when absent.</param>
    /// <param name="clock">Sets and checks its dates.</param>
    /// <param name="hosts">Further names it must be good for, besides localhost and the loopback addresses.</param>
    /// <returns>The certificate's path.</returns>
    /// <exception cref="EmulatorException">The folder cannot be written.</exception>
    public static string Ensure(string folder, TimeProvider clock, params IReadOnlyList<string> hosts)
    {
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(hosts);
        var certificateFile = Path.Combine(folder, CertificateFileName);
        var keyFile = Path.Combine(folder, KeyFileName);
        try
        {
            Directory.CreateDirectory(folder);
            if (IsUsable(certificateFile, keyFile, clock, hosts)) return certificateFile;
            using var certificate = Create(clock, hosts);
            using var key = certificate.GetECDsaPrivateKey()!;
            // The key first: a process that dies between leaves a pair that does not match, which the next start replaces.
            Replace(keyFile, key.ExportPkcs8PrivateKeyPem(), UnixFileMode.UserRead | UnixFileMode.UserWrite);
            Replace(certificateFile, certificate.ExportCertificatePem(), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            return certificateFile;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmulatorException(EmulatorFault.Certificate, $"No certificate can be kept in '{folder}': {e.Message}", "Choose a folder that can be written.", e);
        }
    }

    private static bool IsUsable(string certificateFile, string keyFile, TimeProvider clock, IReadOnlyList<string> hosts)
    {
        if (!File.Exists(certificateFile) || !File.Exists(keyFile)) return false;
        try
        {
            using var certificate = X509Certificate2.CreateFromPemFile(certificateFile, keyFile);
            return certificate.NotAfter.ToUniversalTime() - clock.GetUtcNow().UtcDateTime > RenewBefore && hosts.All(host => certificate.MatchesHostname(host));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            // Damaged, or (as ArgumentException) the halves do not belong together: it is made anew.
            return false;
        }
    }

    private static void Replace(string path, string text, UnixFileMode mode)
    {
        var aside = path + ".new";
        File.Delete(aside);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = mode;
        using (var file = new FileStream(aside, options))
        {
            file.Write(System.Text.Encoding.ASCII.GetBytes(text + "\n"));
            file.Flush(flushToDisk: true);
        }
        File.Move(aside, path, overwrite: true);
    }
}
