using System.Text;
using System.Text.RegularExpressions;
using Backup.Vault;
using Backup.Vault.Snapshots;
using Npgsql;

namespace Backup.Sources.Postgres.Dumps;

/// <summary>Puts a database of a logical dump into a running server: streamed from the vault into <c>pg_restore</c>, without a file in between.</summary>
/// <remarks>
/// Unless told to keep going everything happens in one transaction, so that a restore that fails or is killed leaves the database as it was. Of the database itself
/// its encoding, locale and owner are restored when it is made; its settings, and what was granted on it, are not.
/// </remarks>
/// <param name="clock">Paces progress.</param>
public sealed partial class DumpRestore(TimeProvider clock)
{
    private const string ApplicationName = "backup dump restore";

    /// <summary>CREATE DATABASE stands within so much of what pg_restore writes.</summary>
    private const int HeadCharsMax = 1 << 20;

    /// <summary>Finds out what a restore would do, and refuses what cannot be done. Changes nothing.</summary>
    /// <param name="vault">Opened with a restore key.</param>
    /// <param name="snapshot">A logical dump.</param>
    /// <param name="request">What goes where.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="SourcesException">
    /// SnapshotUnsuitable; PathMissing: the dump has no such database, or the server none and none is to be made; TargetNotEmpty; ServerUnavailable; or
    /// ServerUnsuitable: no fitting programs here.
    /// </exception>
    /// <exception cref="VaultException">The vault cannot be read.</exception>
    public static async Task<DumpRestorePlan> PlanAsync(OpenVault vault, SnapshotInfo snapshot, DumpRestoreRequest request, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(request);
        using var dump = await OpenDump.OpenAsync(vault, snapshot, request.Database, cancel);
        var settings = ServerConnection.Settings(request.ConnectionString, ApplicationName);
        var programs = await FindProgramsAsync(snapshot, request, settings, cancel);
        if (request.Globals && dump.Globals is null)
        {
            throw new SourcesException(
                SourcesFault.SnapshotUnsuitable, "The dump has no global objects.", "They could not be dumped then, which takes a superuser. Make the roles by hand, and leave out --globals.");
        }

        var into = request.Into ?? dump.Database;
        var target = new DumpTarget(settings, into);
        var (version, isThere) = await target.LookAsync(cancel);
        if (!isThere && !request.Create)
        {
            throw new SourcesException(
                SourcesFault.PathMissing, $"The server has no database \"{into}\".", "Make it, or have it made with the encoding and locale of the dumped one (--create).");
        }

        var holds = isThere ? await target.HoldsAsync(cancel) : null;
        if (holds is not null && !request.Overwrite)
        {
            throw new SourcesException(
                SourcesFault.TargetNotEmpty, $"Database \"{into}\" is not empty: it holds {holds}.",
                "Name another database, or have what the dump has too dropped and made anew (--overwrite); anything else stays then.");
        }

        return new DumpRestorePlan
        {
            Database = dump.Database,
            Into = into,
            BytesTotal = dump.Content.Length,
            ServerVersion = version,
            ProgramsVersion = programs.Version,
            IsMissing = !isThere,
            Holds = holds,
        };
    }

    /// <summary>Restores what <see cref="PlanAsync"/> has looked at.</summary>
    /// <param name="vault">As for the plan.</param>
    /// <param name="snapshot">As for the plan.</param>
    /// <param name="request">As for the plan.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="progress">Told a few times per second, from other threads; or null.</param>
    /// <param name="cancel">Gives up, and leaves things as any failure does.</param>
    /// <remarks>(1) roles and tablespaces (2) the database (3) what it holds. What fails in (3) is told together with what is left behind.</remarks>
    /// <exception cref="SourcesException">RestoreRefused: the server or a program refused something, in its own words; or as for the plan.</exception>
    /// <exception cref="VaultException">The vault cannot be read.</exception>
    /// <exception cref="OperationCanceledException">As asked; in (3) its message says what is left behind.</exception>
    public async Task<DumpRestoreOutcome> RunAsync(
        OpenVault vault, SnapshotInfo snapshot, DumpRestoreRequest request, DumpRestorePlan plan, IProgress<TransferProgress>? progress, CancellationToken cancel)
    {
        ArgumentNullException.ThrowIfNull(vault);
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(plan);
        using var dump = await OpenDump.OpenAsync(vault, snapshot, request.Database, cancel);
        var settings = ServerConnection.Settings(request.ConnectionString, ApplicationName);
        var target = new DumpTarget(settings, plan.Into);
        var programs = await FindProgramsAsync(snapshot, request, settings, cancel);
        using var counters = new TransferCounters(progress, clock) { BytesTotal = dump.Content.Length };
        var globals = request.Globals ? await RestoreGlobalsAsync(dump, programs, target, request, cancel) : null;              // (1)
        if (plan.IsMissing)
            await MakeAsync(dump, programs, target, request, cancel);                                                          // (2)
        try
        {
            counters.Enter(TransferPhase.Copying);
            var (code, words) = await ProgramRun.RunAsync(                                                                     // (3)
                programs.Command("pg_restore", Arguments(request, plan.Into)), program => dump.SendAsync(program, counters, cancel), null, cancel);
            if (code != 0 && (!request.KeepGoing || words.Errors == 0))
                throw new SourcesException(SourcesFault.RestoreRefused, $"pg_restore {programs.Version} failed: {words.Text(code)}", HintFor(programs, plan));
            return new DumpRestoreOutcome
            {
                BytesRestored = counters.BytesDone,
                GlobalsKept = globals?.Kept ?? [],
                Errors = [.. globals?.Words.Lines ?? [], .. words.Lines],
                ErrorsTotal = (globals?.Words.Errors ?? 0) + words.Errors,
            };
        }
        catch (Exception failure) when (failure is SourcesException or VaultException or OperationCanceledException)
        {
            var left = await target.LeaveAsync(plan.IsMissing, request.KeepGoing);
            throw failure switch
            {
                SourcesException e => new SourcesException(e.Fault, $"{e.Message.Split('\n')[0]} {left}", e.Hint, e),
                VaultException e => new VaultException(e.Fault, $"{e.Message.Split('\n')[0]} {left}", e.Hint, e),
                _ => new OperationCanceledException(left, failure, cancel),
            };
        }
    }

    private static Task<DumpPrograms> FindProgramsAsync(SnapshotInfo snapshot, DumpRestoreRequest request, NpgsqlConnectionStringBuilder settings, CancellationToken cancel) =>
        DumpPrograms.ForRestoreAsync(snapshot.SealedProperties.GetValueOrDefault(PostgresDumpSource.ProgramsVersionProperty, ""), request.Programs, settings, cancel);

    private static string HintFor(DumpPrograms programs, DumpRestorePlan plan) => programs.MajorVersion > plan.ServerVersion / 10000
        ? $"pg_restore {programs.MajorVersion} may ask for what PostgreSQL {plan.ServerVersion / 10000} does not know: mend what it names, or have it go on behind errors (--keep-going)."
        : "Mend what it names. Missing roles come with --globals, or are not needed with --no-owner and --no-privileges; --keep-going leaves out what fails.";

    private static List<string> Arguments(DumpRestoreRequest request, string into)
    {
        List<string> arguments = ["--format=custom", "--no-password", "--dbname", DumpPrograms.ConnectionTo(into)];
        AddIf(!request.KeepGoing, "--single-transaction");
        AddIf(request.Overwrite, "--clean", "--if-exists");
        AddIf(request.NoOwner, "--no-owner");
        AddIf(request.NoPrivileges, "--no-privileges");
        AddIf(request.NoTablespaces, "--no-tablespaces");
        AddIf(request.Role is not null, "--role=" + request.Role);
        return arguments;

        void AddIf(bool isWanted, params string[] words)
        {
            if (isWanted)
                arguments.AddRange(words);
        }
    }

    private static async Task<GlobalsResult> RestoreGlobalsAsync(OpenDump dump, DumpPrograms programs, DumpTarget target, DumpRestoreRequest request, CancellationToken cancel)
    {
        var (roles, tablespaces) = await target.AskForGlobalsAsync(cancel);
        var (missing, kept) = DumpScript.Missing(await dump.ReadGlobalsAsync(cancel), roles, request.NoTablespaces ? null : tablespaces);
        // Terse, since the statement at fault is quoted else, which may hold a password.
        List<string> arguments = ["--no-psqlrc", "--quiet", "--no-password", "--set=VERBOSITY=terse", "--dbname", DumpPrograms.ConnectionTo(target.DatabaseBeside), "--file=-"];
        if (!request.KeepGoing)
            arguments.Add("--set=ON_ERROR_STOP=1");
        var command = programs.Command("psql", arguments);
        command.Environment["PGOPTIONS"] = "-c client_min_messages=error";
        var (code, words) = await ProgramRun.RunAsync(command, async program => await program.WriteAsync(missing, cancel), null, cancel);
        return code == 0 ? new GlobalsResult(kept, words) : throw new SourcesException(
            SourcesFault.RestoreRefused, $"psql {programs.Version} failed to make the dump's roles and tablespaces: {words.Text(code)} Those before it are made; no database was touched.",
            "Mend what it names and repeat the command. --no-tablespaces leaves tablespaces out, and --keep-going what fails.");
    }

    /// <summary>Makes the database as the dumped one was made: pg_restore writes that before anything else.</summary>
    private static async Task MakeAsync(OpenDump dump, DumpPrograms programs, DumpTarget target, DumpRestoreRequest request, CancellationToken cancel)
    {
        var head = new StringBuilder();
        var (code, words) = await ProgramRun.RunAsync(
            programs.Command("pg_restore", "--format=custom", "--create", "--schema-only", "--file=-"), program => dump.SendAsync(program, null, cancel),
            async output =>
            {
                using var lines = new StreamReader(output, DumpScript.Bytes);
                while (head.Length < HeadCharsMax && await lines.ReadLineAsync(cancel) is { } line && !line.StartsWith("\\connect", StringComparison.Ordinal))
                    head.Append(line).Append('\n');
            },
            cancel);
        if (DumpScript.FindDatabase(head.ToString()) is not { } database)
        {
            throw new SourcesException(
                SourcesFault.RestoreRefused, $"pg_restore {programs.Version} does not say how the dumped database was made: {words.Text(code)}", "Make the database by hand, and leave out --create.");
        }

        await target.MakeAsync(request.NoTablespaces ? TablespaceOption().Replace(database.Options, "") : database.Options, request.NoOwner ? null : database.Owner, cancel);
    }

    [GeneratedRegex("""\sTABLESPACE = ("([^"]|"")+"|\S+)""")]
    private static partial Regex TablespaceOption();

    /// <summary>What came of roles and tablespaces.</summary>
    private sealed record GlobalsResult(IReadOnlyList<string> Kept, ProgramWords Words);
}
