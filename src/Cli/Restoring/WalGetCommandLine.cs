using Backup.Cli.Vaults;

namespace Backup.Cli.Restoring;

/// <summary>The shell command that a recovering server fetches log with. It names files that hold keys, never what is in them.</summary>
internal static class WalGetCommandLine
{
    public static string Of(Invocation invocation, VaultArguments vault, string asset)
    {
        List<string> words = [.. Program(), "wal", "get", "%f", "%p", "--asset", Literal(asset), "--vault", Literal(Place(vault.PlaceOf(invocation)))];
        if (vault.FindKey(invocation) is { } key)
        {
            Add(key.Option.Name, key.File);
        }

        Add("--credential-file", invocation.Get(vault.Store.CredentialFile) ?? invocation.Terminal.Environment(StoreArguments.CredentialVariable));
        return string.Join(' ', words);

        void Add(string option, string? file)
        {
            if (!string.IsNullOrEmpty(file))
            {
                words.AddRange([option, Literal(Path.GetFullPath(file))]);
            }
        }
    }

    /// <summary>This very program, whether it was published or runs under dotnet.</summary>
    private static string[] Program()
    {
        var process = Environment.ProcessPath!;
        var assembly = Path.Combine(AppContext.BaseDirectory, "backupctl.dll");
        return Path.GetFileNameWithoutExtension(process) == "backupctl" ? [Literal(process)]
            : File.Exists(assembly) && Path.GetFileNameWithoutExtension(process) == "dotnet" ? [Literal(process), Literal(assembly)]
            : File.Exists(Path.Combine(AppContext.BaseDirectory, "backupctl")) ? [Literal(Path.Combine(AppContext.BaseDirectory, "backupctl"))]
            : ["backupctl"];
    }

    private static string Place(string place) => Uri.TryCreate(place, UriKind.Absolute, out var url) && !url.IsFile ? place : Path.GetFullPath(place);

    /// <summary>For the shell, and for PostgreSQL, which replaces what follows a percent sign.</summary>
    private static string Literal(string word) => "'" + word.Replace("'", "'\\''", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal) + "'";
}
