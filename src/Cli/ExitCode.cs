using Backup.AgentApi;
using Backup.Sources;
using Backup.Vault;

namespace Backup.Cli;

/// <summary>What an exit code of <c>backupctl</c> means. Scripts rely on the numbers: add, never change.</summary>
internal enum ExitCode
{
    /// <summary>Done, nothing to report.</summary>
    Success = 0,

    /// <summary>Failed for a reason without a code of its own; the message says which.</summary>
    Failed = 1,

    /// <summary>The command line is wrong; nothing was done.</summary>
    Usage = 2,

    /// <summary>Done in part: some of the source could not be read, or not every agent confirmed.</summary>
    Partial = 3,

    /// <summary>A check found something wrong.</summary>
    Findings = 4,

    /// <summary>There is no vault at the place given.</summary>
    NoVault = 10,

    /// <summary>It exists already, or somebody else changed it at the same time.</summary>
    Conflict = 11,

    /// <summary>The key does not open the vault, or the key file is not one.</summary>
    WrongKey = 12,

    /// <summary>The key is right but its role does not allow this.</summary>
    KeyRole = 13,

    /// <summary>The store or the file system refused access.</summary>
    AccessDenied = 14,

    /// <summary>A snapshot, path or object does not exist.</summary>
    NotFound = 15,

    /// <summary>Stored data is damaged or inconsistent.</summary>
    Damaged = 16,

    /// <summary>No space left.</summary>
    DiskFull = 17,

    /// <summary>A newer version of this software is needed.</summary>
    NewerFormat = 18,

    /// <summary>The store or server did not answer; the same command may succeed later.</summary>
    Unavailable = 19,

    /// <summary>The target of a restore holds something already.</summary>
    TargetNotEmpty = 20,

    /// <summary>Stopped by Ctrl-C or a termination signal.</summary>
    Interrupted = 130,

    /// <summary>Whoever read the output stopped reading, as <c>head</c> does; the number other programs end with then.</summary>
    OutputClosed = 141,

    /// <summary>
    /// <c>wal get</c> could not find out whether the vault has a file. PostgreSQL takes codes up to 125 as "there is no more log" and would
    /// end recovery early; above that it stops.
    /// </summary>
    RecoveryMustStop = 200,
}

/// <summary>The one table from faults to exit codes.</summary>
internal static class ExitCodes
{
    public static ExitCode Of(VaultFault fault) => fault switch
    {
        VaultFault.StoreUnavailable or VaultFault.WriterExpired => ExitCode.Unavailable,
        VaultFault.StoreFull => ExitCode.DiskFull,
        VaultFault.AccessDenied => ExitCode.AccessDenied,
        VaultFault.NotFound => ExitCode.NotFound,
        VaultFault.NotAVault => ExitCode.NoVault,
        VaultFault.AlreadyExists or VaultFault.Conflict => ExitCode.Conflict,
        VaultFault.Damaged or VaultFault.Inconsistent => ExitCode.Damaged,
        VaultFault.NewerFormat => ExitCode.NewerFormat,
        VaultFault.WrongKey or VaultFault.BadKeyFile => ExitCode.WrongKey,
        VaultFault.KeyRole => ExitCode.KeyRole,
        VaultFault.LimitExceeded => ExitCode.Failed,
        _ => ExitCode.Failed,
    };

    public static ExitCode Of(SourcesFault fault) => fault switch
    {
        SourcesFault.PathMissing => ExitCode.NotFound,
        SourcesFault.AccessDenied => ExitCode.AccessDenied,
        SourcesFault.DiskFull => ExitCode.DiskFull,
        SourcesFault.TargetNotEmpty => ExitCode.TargetNotEmpty,
        SourcesFault.PatternInvalid => ExitCode.Usage,
        SourcesFault.ServerUnavailable or SourcesFault.WalMissing => ExitCode.Unavailable,
        SourcesFault.DataDamaged => ExitCode.Damaged,
        SourcesFault.WrongCluster or SourcesFault.WalConflict => ExitCode.Conflict,
        SourcesFault.WalNotHeld or SourcesFault.TargetUnreachable => ExitCode.NotFound,
        _ => ExitCode.Failed,
    };

    public static ExitCode Of(CliFault fault) => fault switch
    {
        CliFault.SnapshotMissing or CliFault.NotFound => ExitCode.NotFound,
        CliFault.AccessDenied => ExitCode.AccessDenied,
        CliFault.Conflict => ExitCode.Conflict,
        CliFault.Unavailable => ExitCode.Unavailable,
        _ => ExitCode.Usage,
    };

    public static ExitCode Of(Exception failure) => failure switch
    {
        VaultException e => Of(e.Fault),
        SourcesException e => Of(e.Fault),
        AgentApiException { Fault: AgentApiFault.IdentityExists } => ExitCode.Conflict,
        // A file that could not be written is a matter of the file and not of the key.
        AgentApiException { InnerException: { } cause and (IOException or UnauthorizedAccessException) } => Of(cause),
        AgentApiException => ExitCode.WrongKey,
        CliException e => Of(e.Fault),
        OperationCanceledException => ExitCode.Interrupted,
        IOException { HResult: Output.StandardOutput.BrokenPipe } => ExitCode.OutputClosed,
        IOException { HResult: Output.StandardOutput.NoSpace } => ExitCode.DiskFull,
        // What options and arguments say is checked by what they are for, which calls it misuse.
        ArgumentException => ExitCode.Usage,
        UnauthorizedAccessException => ExitCode.AccessDenied,
        FileNotFoundException or DirectoryNotFoundException => ExitCode.NotFound,
        _ => ExitCode.Failed,
    };
}
