using System.Security.Cryptography;
using System.Text;
using Backup.LocalStack.Services;

namespace Backup.LocalStack.Run;

/// <summary>The keys of one stack, each in a file of its own that only its owner may read; made once, kept for ever.</summary>
/// <param name="Folder">Where the files are.</param>
internal sealed record Secrets(string Folder)
{
    public string RelayListenKey => Path.Combine(Folder, "relay-listen.key");

    public string RelaySendKey => Path.Combine(Folder, "relay-send.key");

    public string FunctionKey => Path.Combine(Folder, "function.key");

    public string AdminKey => Path.Combine(Folder, "admin.key");

    public string ControlPlaneIdentity => Path.Combine(Folder, "control-plane.identity");

    public string ControlPlanePublic => Path.Combine(Folder, "control-plane.pub");

    public string BackupKey => Path.Combine(Folder, "vault-backup.key");

    public string RestoreKey => Path.Combine(Folder, "vault-restore.key");

    public string RelayCertificateFolder => Path.Combine(Folder, "relay");

    /// <summary>The relay's certificate, to be trusted by path.</summary>
    public string RelayCertificate => Path.Combine(RelayCertificateFolder, "certificate.pem");

    public string RelayCertificateKey => Path.Combine(RelayCertificateFolder, "certificate.key");

    /// <summary>The connection string file of a connection in the agent's configuration.</summary>
    public string Connection(string name) => Path.Combine(Folder, $"connection-{name}");

    /// <summary>Makes the random keys that are missing.</summary>
    public async Task EnsureRandomKeysAsync(CancellationToken cancel)
    {
        foreach (var file in (string[])[RelayListenKey, RelaySendKey, FunctionKey, AdminKey])
        {
            if (!File.Exists(file))
            {
                await PrivateFile.WriteAsync(file, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), cancel).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The SHA-256 of a key file's text in lower-case hex: what a server may keep of a key.</summary>
    public static async Task<string> HashOfAsync(string keyFile, CancellationToken cancel) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(await File.ReadAllTextAsync(keyFile, cancel).ConfigureAwait(false))));
}
