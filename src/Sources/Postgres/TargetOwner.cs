using Backup.Sources.Posix;

namespace Backup.Sources.Postgres;

/// <summary>Who shall own a restored cluster. PostgreSQL refuses to run as root, so root's files would be of no use.</summary>
internal static class TargetOwner
{
    private const string UsualName = "postgres";

    /// <summary>Null when this process is not root: then everything belongs to its own user.</summary>
    /// <exception cref="SourcesException">PathMissing: no suitable account.</exception>
    internal static (uint User, uint Group)? Find(string? wanted, string target)
    {
        if (Libc.EffectiveUser() != 0)
            return null;
        var names = new AccountNames();
        if (wanted is not null)
            return names.Find(wanted) ?? throw Unknown(wanted);
        var parent = Path.GetDirectoryName(target) ?? "/";
        // Missing parents would be made by root; then the usual account is the best guess.
        if (!SafePath.OpenDirectory(parent, out var opened).IsError)
        {
            using (opened)
            {
                if (!opened!.Status(out var status).IsError && status.User != 0)
                    return (status.User, status.Group);
            }
        }

        return names.Find(UsualName) ?? throw Unknown(UsualName);
    }

    private static SourcesException Unknown(string name) => new(
        SourcesFault.PathMissing, $"This machine has no account {name} that could own the restored cluster.", "Name an existing account as the owner, or restore below a folder of the account that will run the server.");
}
