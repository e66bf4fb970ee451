using System.Text;
using Backup.Vault;

namespace Backup.Cli.Output;

/// <summary>New text files that only their owner may read.</summary>
internal static class PrivateText
{
    /// <exception cref="VaultException">With <see cref="VaultFault.AlreadyExists"/> when there is such a file.</exception>
    public static void Save(string path, string text)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            using var file = new FileStream(path, options);
            file.Write(Encoding.UTF8.GetBytes(text));
            file.Flush(flushToDisk: true);
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new VaultException(VaultFault.AlreadyExists, $"{path} exists already.", "Choose another path; it is never overwritten.", e);
        }
    }
}
