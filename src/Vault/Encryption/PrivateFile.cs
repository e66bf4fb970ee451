using System.Text;
using Backup.Vault.Storage;

namespace Backup.Vault.Encryption;

/// <summary>
/// A new file for a secret, for its owner's eyes only. It is made, with room, before the secret is: a key that the vault knows of and that
/// could not be saved would be lost. Left without a secret it is removed again.
/// </summary>
public sealed class PrivateFile : IDisposable
{
    /// <summary>More than a key file or a recovery kit takes.</summary>
    private const int RoomBytes = 8 * 1024;

    private readonly FileStream _file;
    private bool _isWritten;

    private PrivateFile(FileStream file) => _file = file;

    /// <summary>Makes the file with mode 0600. An existing file is never replaced.</summary>
    /// <param name="path">Where; its folder must exist.</param>
    /// <exception cref="VaultException">AlreadyExists, AccessDenied, NotFound, StoreFull or StoreUnavailable.</exception>
    public static PrivateFile Reserve(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        PrivateFile? made = null;
        try
        {
            made = new PrivateFile(new FileStream(path, options));
            made._file.Write(new byte[RoomBytes]);
            return made;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var exists = made is null && Path.Exists(path);
            made?.Dispose();
            throw exists ? new VaultException(VaultFault.AlreadyExists, $"{path} exists already.", "Choose another path; a key is never overwritten.", e) : Explain(e, path);
        }
    }

    /// <summary>Writes the secret; it is durable on return.</summary>
    /// <exception cref="VaultException">StoreUnavailable when the disk failed.</exception>
    public void Write(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            _file.Position = 0;
            _file.Write(Encoding.UTF8.GetBytes(text));
            _file.SetLength(_file.Position);
            _file.Flush(flushToDisk: true);
            _isWritten = true;
            if (!OperatingSystem.IsWindows()) _ = Libc.SyncFolder(Path.GetDirectoryName(Path.GetFullPath(_file.Name))!);
        }
        catch (IOException e)
        {
            throw Explain(e, _file.Name);
        }
    }

    /// <summary>Closes the file, and removes it when no secret was written.</summary>
    public void Dispose()
    {
        _file.Dispose();
        if (!_isWritten) File.Delete(_file.Name);
    }

    private static VaultException Explain(Exception e, string path) => e switch
    {
        UnauthorizedAccessException => new VaultException(VaultFault.AccessDenied, $"{path} cannot be written: {e.Message}", "Check the folder's owner and mode.", e),
        FileNotFoundException or DirectoryNotFoundException => new VaultException(VaultFault.NotFound, $"{path} cannot be made: its folder does not exist.", "Make the folder first, readable by its owner only.", e),
        _ when DurableFiles.IsFull(e) => new VaultException(VaultFault.StoreFull, $"{path} cannot be written: no space left.", "Free space there, or choose another place.", e),
        _ => new VaultException(VaultFault.StoreUnavailable, $"{path} cannot be written: {e.Message}", "Check that its disk is mounted and healthy.", e),
    };
}
