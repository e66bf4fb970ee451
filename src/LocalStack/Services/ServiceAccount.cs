using System.Globalization;

namespace Backup.LocalStack.Services;

/// <summary>An unprivileged account that root runs PostgreSQL as: PostgreSQL refuses to run as root.</summary>
/// <param name="Name">Its name in the account database.</param>
/// <param name="User">Its user id.</param>
/// <param name="Group">Its group id.</param>
public sealed record ServiceAccount(string Name, int User, int Group)
{
    private const string AccountDatabase = "/etc/passwd";
    private const int DacOverride = 1;
    private const int DacReadSearch = 2;

    /// <summary>The account to use: none for an ordinary user, an existing unprivileged one for root.</summary>
    /// <exception cref="LocalStackException">Root, and neither <c>postgres</c> nor <c>nobody</c> exists.</exception>
    public static ServiceAccount? ForPostgres()
    {
        if (!Native.IsRoot)
        {
            return null;
        }

        var accounts = File.ReadLines(AccountDatabase).Select(line => line.Split(':')).Where(fields => fields.Length >= 4).ToList();
        foreach (var name in (string[])["postgres", "nobody"])
        {
            if (accounts.FirstOrDefault(fields => fields[0] == name) is { } fields)
            {
                return new ServiceAccount(name, int.Parse(fields[2], CultureInfo.InvariantCulture), int.Parse(fields[3], CultureInfo.InvariantCulture));
            }
        }

        throw new LocalStackException(LocalStackFault.Prerequisite, "PostgreSQL does not run as root, and there is no account `postgres` or `nobody` to run it as",
            "Run as an ordinary user, or add one of these accounts.");
    }

    /// <summary>Gives one file system entry to the account.</summary>
    public void TakeOwnership(string path) => Native.ChangeOwner(path, User, Group);

    /// <summary>The <c>setpriv</c> options that become this account, able to reach <paramref name="paths"/>.</summary>
    /// <remarks>
    /// A checkout below a home that only root may enter is still to work, so where a folder on the way is closed the
    /// account keeps one capability: to pass closed folders. The other account capabilities are dropped for good.
    /// </remarks>
    internal IEnumerable<string> Options(IEnumerable<string> paths)
    {
        string[] identity = [$"--reuid={User}", $"--regid={Group}", "--clear-groups"];
        if (paths.All(IsOpenToAll))
        {
            return [.. identity, "--inh-caps=-all", "--bounding-set=-all"];
        }

        var capability = HasCapability(DacReadSearch) ? "dac_read_search" : HasCapability(DacOverride) ? "dac_override" : null;
        return capability is not null
            ? [.. identity, $"--inh-caps=+{capability}", $"--ambient-caps=+{capability}"]
            : throw new LocalStackException(LocalStackFault.Prerequisite, $"The account {Name} cannot enter the folders that hold the checkout or its state",
                "Move the checkout to a folder that every user may enter, or run as an ordinary user.");
    }

    private static bool IsOpenToAll(string path)
    {
        for (var folder = new DirectoryInfo(path).Parent; folder is not null; folder = folder.Parent)
        {
            if (!folder.UnixFileMode.HasFlag(UnixFileMode.OtherExecute))
            {
                return false;
            }
        }

        return true;
    }

    private static bool HasCapability(int capability)
    {
        const string Prefix = "CapEff:";
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith(Prefix, StringComparison.Ordinal));
        var effective = ulong.Parse(line[Prefix.Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return (effective & (1UL << capability)) != 0;
    }
}
