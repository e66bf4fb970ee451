using Backup.Sources.Posix;
using Backup.Sources.Postgres.Recovery;

namespace Backup.Sources.Postgres.Proving;

/// <summary>
/// What a start leaves that was killed before it had replayed the base backup's own log: the label is used up, and PostgreSQL would take the next start for
/// one after a crash and refuse ("WAL ends before end of online backup"). Asked for archive recovery it goes on where it was, and ends on a new timeline.
/// </summary>
internal static class InterruptedRecovery
{
    /// <summary>In the signal file, whose content PostgreSQL does not look at: this one came from here, and no restore_command with it.</summary>
    private const string Ours = "interrupted";

    /// <summary>Asks for archive recovery where that is the only way on.</summary>
    /// <param name="dataDirectory">What is to be started.</param>
    /// <param name="owner">Its owner; null for this process's own account.</param>
    /// <returns>Whether a restore_command has to be given: all log that is needed is there, but PostgreSQL insists.</returns>
    /// <exception cref="SourcesException">The signal file cannot be written.</exception>
    internal static bool Continue(string dataDirectory, (uint User, uint Group)? owner)
    {
        var signal = Path.Combine(dataDirectory, RecoverySettings.SignalName);
        if (File.Exists(signal))
            return File.ReadAllText(signal) == Ours;
        var control = Path.Combine(dataDirectory, ClusterListing.ControlFilePath);
        if (File.Exists(Path.Combine(dataDirectory, PostgresSource.LabelName)) || !File.Exists(control) || !ControlFile.IsInArchiveRecovery(File.ReadAllBytes(control)))
            return false;
        var error = SafePath.OpenDirectory(dataDirectory, out var directory);
        using (directory)
        {
            if (!error.IsError)
                error = PrivateFile.Replace(directory!, System.Text.Encoding.ASCII.GetBytes(RecoverySettings.SignalName), System.Text.Encoding.ASCII.GetBytes(Ours), owner);
            return error.IsError ? throw error.Failure("write", signal) : true;
        }
    }
}
