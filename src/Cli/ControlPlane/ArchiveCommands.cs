using System.CommandLine;
using System.Globalization;
using Backup.Cli.Output;

namespace Backup.Cli.ControlPlane;

/// <summary><c>archive-restore …</c>: restores from archive tiers are planned, looked at, approved, started and cancelled; only the start costs.</summary>
internal static class ArchiveCommands
{
    private const int PageItems = 200;

    public static Command Create(CliContext context) => CliContext.Group(
        "archive-restore", "Restores from archive tiers, by way of the control plane.", Plan(context), List(context), Show(context), Approve(context), Start(context), Cancel(context));

    private static Argument<string> Id() => new("id") { Description = "The archive restore, from 'archive-restore plan' or 'list'." };

    private static string PathOf(string id, string rest = "") => $"archive-restores/{Uri.EscapeDataString(id)}{rest}";

    private static Command Plan(CliContext context)
    {
        var api = new ApiArguments(isDecision: true);
        var asset = new Argument<string>("asset") { Description = "The asset's name in the policy; with --group a group point's id." };
        var target = new Argument<string>("target") { Description = "An absolute path on the agent's machine, below one of its restore roots." };
        var from = new Option<string>("--from") { Description = "The archive tier.", HelpName = "TIER", Required = true };
        var point = new Option<string>("--recovery-point") { Description = "Which one; the newest unless given.", HelpName = "ID" };
        var group = new Option<bool>("--group") { Description = "Bring all members of a group point back as one, each to a folder of its name in the target." };
        var include = new Option<string[]>("--include", "-i") { Description = "Only what fits, as in gitignore.", HelpName = "GLOB" };
        var overwrite = new Option<bool>("--overwrite") { Description = "Existing files may be replaced." };
        var symbols = (IEnumerable<Symbol>)[asset, target, from, group, point, include, overwrite, .. api.All];
        return context.Leaf("plan", "Find out which packs a restore needs, how long it takes and what it costs. Nothing is paid for.", symbols, async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var (what, isGroup) = (invocation.Require(asset), invocation.Get(group));
            var wish = new ArchiveWish(
                isGroup ? null : what, isGroup ? what : null, invocation.Require(target), invocation.Require(from), invocation.Get(point),
                invocation.Get(include) is { Length: > 0 } patterns ? patterns : null, invocation.Get(overwrite));
            var started = await client.PostAsync("archive-restores", wish, CliJson.Default.ArchiveWish, CliJson.Default.StartedLine, cancel).ConfigureAwait(false);
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(started, CliJson.Default.StartedLine);
                return ExitCode.Success;
            }

            invocation.Out.WriteLine(started.Id);
            invocation.Note($"Its plan is made now: 'backupctl archive-restore show {started.Id}' shows it.");
            return ExitCode.Success;
        });
    }

    private static Command List(CliContext context)
    {
        var api = new ApiArguments();
        return context.Leaf("list", "List restores from archive tiers, newest first.", api.All, async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var table = new TextTable("ID", "ASSET", "FROM", "STATE", "PACKS READY", "REQUESTED").Right(4);
            string? next = null;
            do
            {
                var page = await client.GetAsync(
                    $"archive-restores?limit={PageItems}{(next is null ? "" : $"&continuation={Uri.EscapeDataString(next)}")}", CliJson.Default.ArchiveList, cancel).ConfigureAwait(false);
                foreach (var restore in page.Items)
                {
                    if (invocation.IsJson)
                    {
                        invocation.Out.WriteJson(restore, CliJson.Default.ArchiveLine);
                    }

                    table.Add(restore.Id, restore.Asset ?? restore.GroupPoint!, restore.From, restore.State, restore.Plan is { } plan ? $"{restore.PacksReady}/{plan.Packs}" : "-", Figures.Instant(restore.CreatedAt));
                }

                next = page.Continuation;
            }
            while (next is not null);
            if (!invocation.IsJson)
            {
                table.WriteTo(invocation.Out);
            }

            return ExitCode.Success;
        });
    }

    private static Command Show(CliContext context)
    {
        var (api, id) = (new ApiArguments(), Id());
        return context.Leaf("show", "Show a plan with its hours, costs and approvals, or how far a restore is.", [id, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            Tell(invocation, await client.GetAsync(PathOf(invocation.Require(id)), CliJson.Default.ArchiveLine, cancel).ConfigureAwait(false));
            return ExitCode.Success;
        });
    }

    private static Command Approve(CliContext context)
    {
        var (api, id) = (new ApiArguments(isDecision: true), Id());
        return context.Leaf("approve", "Approve what a restore costs, as an administrator other than the one who asked.", [id, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            Tell(invocation, await client.PostAsync(PathOf(invocation.Require(id), "/approve"), new NoWish(), CliJson.Default.NoWish, CliJson.Default.ArchiveLine, cancel).ConfigureAwait(false));
            return ExitCode.Success;
        });
    }

    private static Command Start(CliContext context)
    {
        var (api, id) = (new ApiArguments(isDecision: true), Id());
        var priority = new Option<string>("--priority") { Description = "standard or high, with what the plan says of it.", HelpName = "NAME", DefaultValueFactory = _ => "standard" };
        priority.AcceptOnlyFromAmong("standard", "high");
        return context.Leaf("start", "Start a planned restore: from here on it costs.", [id, priority, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var started = await client.PostAsync(
                PathOf(invocation.Require(id), "/start"), new ArchiveStartWish(invocation.Require(priority)), CliJson.Default.ArchiveStartWish, CliJson.Default.StartedLine, cancel).ConfigureAwait(false);
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(started, CliJson.Default.StartedLine);
            }
            else
            {
                invocation.Out.WriteLine(started.IsNew ? $"{started.Id} runs." : $"{started.Id} was started before.");
            }

            return ExitCode.Success;
        });
    }

    private static Command Cancel(CliContext context)
    {
        var (api, id) = (new ApiArguments(isDecision: true), Id());
        return context.Leaf("cancel", "Stop a restore, planned or under way. Copies that are complete are kept for a while: they are paid for.", [id, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            Tell(invocation, await client.PostAsync(PathOf(invocation.Require(id), "/cancel"), new NoWish(), CliJson.Default.NoWish, CliJson.Default.ArchiveLine, cancel).ConfigureAwait(false));
            return ExitCode.Success;
        });
    }

    private static void Tell(Invocation invocation, ArchiveLine restore)
    {
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(restore, CliJson.Default.ArchiveLine);
            return;
        }

        var writer = invocation.Out;
        writer.WriteLine($"{restore.Id}: {restore.State}");
        var what = restore.GroupPoint is { } group ? $"group point {group}" : $"recovery point {restore.RecoveryPoint} of {restore.Asset}";
        writer.WriteLine($"{what}, from {restore.From}, asked for by {restore.RequestedBy} at {Figures.Instant(restore.CreatedAt)}");
        foreach (var member in restore.Members ?? [])
        {
            writer.WriteLine($"  recovery point {member.RecoveryPoint} of {member.Asset}");
        }

        if (restore.Plan is { } plan)
        {
            writer.WriteLine($"{Figures.Count(plan.Files, "file")} of {Figures.Bytes(plan.FileBytes)} in {Figures.Count(plan.Packs, "pack")}; to be brought back: {Figures.Count(plan.PacksArchived, "pack")} of {Figures.Bytes(plan.BytesArchived)}");
            var table = new TextTable("PRIORITY", "HOURS AT MOST", "COST", "APPROVALS NEEDED").Right(1, 2, 3);
            foreach (var offer in plan.Offers)
            {
                table.Add(
                    offer.Priority,
                    offer.HoursMax.ToString("0.#", CultureInfo.InvariantCulture),
                    offer.Cost is { } cost ? $"{cost.ToString("0.00", CultureInfo.InvariantCulture)} {plan.Currency}" : "no prices in the policy",
                    offer.ApprovalsNeeded.ToString(CultureInfo.InvariantCulture));
            }

            table.WriteTo(writer);
            writer.WriteLine($"approved by: {(restore.Approvals.Count == 0 ? "nobody" : string.Join(", ", restore.Approvals))}{(restore.State == "planned" && restore.StartBefore is { } before ? $"; to be started before {Figures.Instant(before)}" : "")}");
        }

        if (restore.Priority is { } priority)
        {
            writer.WriteLine($"priority {priority}: {Figures.Count(restore.PacksReady, "pack")} ready, {restore.PacksRequested} on their way; {Figures.Count(restore.FilesRestored, "file")} in place");
        }

        if (restore.Note is { } note)
        {
            writer.WriteLine(note);
        }

        if (restore.CopiesKeptUntil is { } until)
        {
            writer.WriteLine($"copies of its packs are kept until {Figures.Instant(until)}");
        }
    }
}
