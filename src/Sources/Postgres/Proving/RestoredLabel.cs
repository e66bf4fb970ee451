namespace Backup.Sources.Postgres.Proving;

/// <summary>Tells which base backup a data directory came from: its backup_label says so, also after the server has put it aside.</summary>
internal static class RestoredLabel
{
    private const string StartField = "START WAL LOCATION: ";
    private static readonly string[] Names = [PostgresSource.LabelName, PostgresSource.LabelName + ".old"];

    /// <summary>The position at which that base backup began; null when the directory does not say.</summary>
    internal static Lsn? StartOf(string directory) => Names
        .Select(name => Path.Combine(directory, name))
        .Where(File.Exists)
        .SelectMany(File.ReadLines)
        .Where(line => line.StartsWith(StartField, StringComparison.Ordinal))
        .Select(line => Lsn.TryParse(line[StartField.Length..].Split(' ')[0], out var start) ? start : (Lsn?)null)
        .FirstOrDefault();
}
