namespace Backup.Sources.Postgres.Dumps;

/// <summary>Which database of a dump goes where.</summary>
public sealed record DumpRestoreRequest
{
    /// <summary>An Npgsql connection string of the server to restore into. Its password goes to the programs by their environment. Never written to logs or errors.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>The database in the dump; null when the dump has only one.</summary>
    public string? Database { get; init; }

    /// <summary>The database to fill; null for one of the same name.</summary>
    public string? Into { get; init; }

    /// <summary>Make that database when it is missing, with the encoding, locale and owner of the dumped one. A restore that fails removes it again.</summary>
    public bool Create { get; init; }

    /// <summary>The database may hold something: what the dump has too is dropped first, anything else stays.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Each statement for itself instead of all in one transaction: what fails is told and left out.</summary>
    public bool KeepGoing { get; init; }

    /// <summary>First make the roles and tablespaces that the server lacks. Those that are there keep their attributes and passwords.</summary>
    public bool Globals { get; init; }

    /// <summary>Everything belongs to the role that restores.</summary>
    public bool NoOwner { get; init; }

    /// <summary>Leave out what was granted.</summary>
    public bool NoPrivileges { get; init; }

    /// <summary>Put everything into the database's own tablespace.</summary>
    public bool NoTablespaces { get; init; }

    /// <summary>The role to restore as, by SET ROLE; null for the one that connects.</summary>
    public string? Role { get; init; }

    /// <summary>The folder with pg_restore and psql; null for where packages put them, those of the dump's version or newer.</summary>
    public string? Programs { get; init; }
}

/// <summary>What a restore of a dump would do.</summary>
public sealed record DumpRestorePlan
{
    /// <summary>The database in the dump.</summary>
    public required string Database { get; init; }

    /// <summary>The database to fill.</summary>
    public required string Into { get; init; }

    /// <summary>The dump's length.</summary>
    public required long BytesTotal { get; init; }

    /// <summary>The server's version, as server_version_num.</summary>
    public required int ServerVersion { get; init; }

    /// <summary>Of pg_restore, as it says it.</summary>
    public required string ProgramsVersion { get; init; }

    /// <summary>The database is not there yet.</summary>
    public required bool IsMissing { get; init; }

    /// <summary>Something that the database holds already, and how much there is of it; null when it is empty or missing.</summary>
    public required string? Holds { get; init; }
}

/// <summary>A finished restore of a dump.</summary>
public sealed record DumpRestoreOutcome
{
    /// <summary>Bytes of the dump that went to pg_restore: all but what it did not want to read.</summary>
    public required long BytesRestored { get; init; }

    /// <summary>Roles and tablespaces of the dump that were there already and are as they were.</summary>
    public IReadOnlyList<string> GlobalsKept { get; init; } = [];

    /// <summary>What was refused and left out, in the programs' own words: the first lines of it. Empty unless <see cref="DumpRestoreRequest.KeepGoing"/>.</summary>
    public IReadOnlyList<string> Errors { get; init; } = [];

    /// <summary>How many errors there were.</summary>
    public int ErrorsTotal { get; init; }
}
