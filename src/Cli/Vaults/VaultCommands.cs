using System.CommandLine;

namespace Backup.Cli.Vaults;

/// <summary><c>vault …</c>: making and looking after vaults.</summary>
internal static class VaultCommands
{
    public static Command Create(CliContext context) => CliContext.Group(
        "vault", "Make and look after vaults.",
        InitCommand.Create(context),
        StatsCommand.Create(context),
        VerifyCommand.Create(context),
        PruneCommand.Create(context),
        RepairCommand.Create(context),
        RebuildIndexCommand.Create(context),
        CopyCommand.Create(context),
        KeyCommands.Create(context));
}
