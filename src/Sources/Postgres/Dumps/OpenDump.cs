using Backup.Sources.Posix;
using Backup.Vault;
using Backup.Vault.Restoring;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Postgres.Dumps;

/// <summary>A database in a dump, ready to be read.</summary>
/// <param name="Reader">Reads the contents.</param>
/// <param name="Database">Its name.</param>
/// <param name="Content">pg_dump's archive of it.</param>
/// <param name="Globals">The script of global objects; null when they could not be dumped.</param>
internal sealed record OpenDump(VaultReader Reader, string Database, Content Content, Content? Globals) : IDisposable
{
    /// <param name="vault">Opened with a restore key.</param>
    /// <param name="snapshot">A logical dump.</param>
    /// <param name="wanted">The database; null for the only one.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="SourcesException">SnapshotUnsuitable: it is no dump, or has several databases. PathMissing: it does not have this one.</exception>
    /// <exception cref="VaultException">It cannot be read.</exception>
    internal static async Task<OpenDump> OpenAsync(OpenVault vault, SnapshotInfo snapshot, string? wanted, CancellationToken cancel)
    {
        if (snapshot.SourceKind != PostgresDumpSource.Kind)
        {
            throw new SourcesException(
                SourcesFault.SnapshotUnsuitable, $"Snapshot {snapshot.Id} is no dump, but of the kind {snapshot.SourceKind}.", "Dumps are made by 'backupctl dump-postgres', or by a policy that says \"dump\".");
        }

        var reader = await vault.OpenReaderAsync(cancel);
        try
        {
            var files = (await reader.ReadTreeAsync(snapshot.Root!.Value, cancel)).Where(entry => entry.Content is not null).ToDictionary(entry => ByteText.Display(entry.Name.Span), entry => entry.Content!);
            var databases = files.Keys.Select(PostgresDumpSource.DatabaseOf).OfType<string>().Order(StringComparer.Ordinal).ToList();
            var held = databases.Count == 0 ? "no database" : string.Join(", ", databases.Select(name => $"\"{name}\""));
            var database = wanted ?? (databases.Count == 1 ? databases[0] : throw new SourcesException(
                SourcesFault.SnapshotUnsuitable, $"The dump holds {held}.", "Name the one to restore (--database)."));
            return files.TryGetValue(PostgresDumpSource.FileOf(database), out var content)
                ? new OpenDump(reader, database, content, files.GetValueOrDefault(PostgresDumpSource.GlobalsName))
                : throw new SourcesException(SourcesFault.PathMissing, $"The dump holds no database \"{database}\", but {held}.", "Name one of these, or another snapshot.");
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>Writes the archive to a program.</summary>
    internal Task SendAsync(Stream program, TransferCounters? counters, CancellationToken cancel) => SendAsync(Content, program, counters, cancel);

    /// <summary>All of the script of global objects, which must be there.</summary>
    internal async Task<byte[]> ReadGlobalsAsync(CancellationToken cancel)
    {
        using var script = new MemoryStream();
        await SendAsync(Globals!, script, null, cancel);
        return script.ToArray();
    }

    public void Dispose() => Reader.Dispose();

    private async Task SendAsync(Content content, Stream to, TransferCounters? counters, CancellationToken cancel)
    {
        await using var from = await Reader.OpenContentAsync(content, cancel);
        var buffer = new byte[1 << 17];
        while (await from.ReadAsync(buffer, cancel) is > 0 and var count)
        {
            await to.WriteAsync(buffer.AsMemory(0, count), cancel);
            counters?.AddBytes(count);
        }
    }
}
