using System.Security.Cryptography;
using System.Text;

namespace Backup.AgentApi;

/// <summary>Identity files on disk.</summary>
internal static class IdentityFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Everyone = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    public static string Read(string path, bool isPrivate)
    {
        try
        {
            if (isPrivate && !OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~(OwnerOnly | UnixFileMode.UserExecute)) != 0)
                throw new AgentApiException(AgentApiFault.IdentityUnusable, $"The private identity '{path}' can be read by others.", $"Run: chmod 600 '{path}'; if others may have read it, make a new one.");
            if (new FileInfo(path).Length > IdentityText.CharsMax)
                throw IdentityText.Unusable($"The file '{path}' is too long for an identity.");
            return File.ReadAllText(path, Encoding.UTF8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw IdentityText.Unusable($"The identity '{path}' cannot be read: {e.Message}", e);
        }
    }

    /// <remarks>
    /// Written aside, flushed, then renamed: a process that dies here leaves at most a leftover beside the place, never half an
    /// identity under its name.
    /// </remarks>
    public static void Write(string path, string text, bool isPrivate)
    {
        var aside = $"{path}.{RandomNumberGenerator.GetHexString(8, lowercase: true)}.new";
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = isPrivate ? OwnerOnly : Everyone;
            using (var file = new FileStream(aside, options))
            {
                file.Write(Encoding.UTF8.GetBytes(text));
                file.Flush(flushToDisk: true);
            }
            try
            {
                File.Move(aside, path, overwrite: false);
            }
            catch
            {
                File.Delete(aside);
                throw;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw File.Exists(path)
                ? new AgentApiException(AgentApiFault.IdentityExists, $"The identity '{path}' exists already.", "Identities are never overwritten: choose a new file name.", e)
                : new AgentApiException(AgentApiFault.IdentityUnusable, $"The identity '{path}' cannot be written: {e.Message}", "Choose a file name in a folder that you may write.", e);
        }
    }
}
