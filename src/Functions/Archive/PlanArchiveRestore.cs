using Backup.AgentApi;
using Backup.Catalog;
using Backup.Catalog.Archive;
using Backup.Functions.Agents;
using Backup.Policy;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Functions.Archive;

/// <summary>Turns surveys into one plan: what the storage says of their packs, each once, the hours, and the costs by the policy's prices.</summary>
/// <param name="policy">Prices and limits.</param>
/// <param name="link">The way to the agents, which keep the packs' names.</param>
/// <param name="tier">The storage.</param>
/// <param name="archive">Where plans are kept.</param>
public sealed class PlanArchiveRestore(PolicyDocument policy, IAgentLink link, IArchiveTier tier, ArchiveStore archive)
{
    /// <summary>More packs are a plan nobody can look through: 24 TB as a rule.</summary>
    private const int PacksMax = 1_000_000;

    /// <summary>Safe to repeat: the first plan stays.</summary>
    /// <returns>The state.</returns>
    [Function(nameof(PlanArchiveRestore))]
    public async Task<string> RunAsync([ActivityTrigger] SurveyEnding survey, CancellationToken cancel)
    {
        var id = new RestoreId(survey.Request.Id);
        var known = await archive.FindAsync(id, cancel).ConfigureAwait(false);
        if (known is not { State: ArchiveState.Surveying })
        {
            return known?.State.ToString() ?? throw new CatalogException(CatalogFault.NotFound, $"There is no archive restore {id}.", "It is opened before its survey.");
        }

        try
        {
            var (packs, failure) = await PacksAsync(survey, known, cancel).ConfigureAwait(false);
            if (failure is not null)
            {
                return await FailAsync(id, failure, cancel).ConfigureAwait(false);
            }

            var (states, lost) = await ArchivePlans.LookAsync(tier, known, packs, cancel).ConfigureAwait(false);
            if (lost is not null)
            {
                return await FailAsync(id, lost, cancel).ConfigureAwait(false);
            }

            var (files, bytes) = (survey.Members.Sum(m => m.Report!.Survey!.Files), survey.Members.Sum(m => m.Report!.Survey!.Bytes));
            return (await archive.PlanAsync(id, ArchivePlans.Of(policy, known.Tier, files, bytes, packs, states), [.. packs.Zip(states, (pack, state) => pack with { Bytes = state.Bytes })], cancel)
                .ConfigureAwait(false)).State.ToString();
        }
        catch (ControlPlaneException e)
        {
            return await FailAsync(id, new JobFailure(ReasonCodes.OffsiteUnavailable, e.Summary, e.Hint), cancel).ConfigureAwait(false);
        }
    }

    /// <summary>All members' packs in the order in which they are read, each at the first member that does, still without sizes; or why they are not known.</summary>
    private async Task<(List<ArchivePack> Packs, JobFailure? Failure)> PacksAsync(SurveyEnding survey, ArchiveRestore known, CancellationToken cancel)
    {
        var packs = new List<ArchivePack>();
        var seen = new HashSet<(Uri, string, string)>();
        foreach (var (i, member) in survey.Members.Index())
        {
            var restore = survey.Request.Restores[i];
            if (member.Report?.Survey is not { } found)
            {
                return (packs, member.Failure ?? new JobFailure(ReasonCodes.ReceiptRefused, $"The agent's receipt holds no survey of {restore.Task.Asset}.", "Check the agent's version."));
            }

            if (found.Packs > PacksMax)
            {
                return (packs, new JobFailure(ReasonCodes.Internal, $"The restore of {restore.Task.Asset} reads {found.Packs} packs; a plan holds at most {PacksMax}.", "Restore it in parts, by \"include\"."));
            }

            var (names, silence) = await NamesAsync(restore.Agent, member.Report.OrderId, found.Packs, cancel).ConfigureAwait(false);
            if (silence is not null || names.Count != found.Packs)
            {
                return (packs, silence ?? new JobFailure(ReasonCodes.ReceiptRefused, $"The agent named {names.Count} of {found.Packs} packs of {restore.Task.Asset}.", "Plan the restore again."));
            }

            var place = known.Members[i].Place;
            packs.AddRange(names.Where(name => seen.Add((place.Container, place.VaultId, name))).Select(name => new ArchivePack(i, name, 0)));
        }

        return (packs, null);
    }

    /// <summary>The names of a survey's packs, not many more of them than it counted; or why they are not known.</summary>
    private async Task<(List<string> Names, JobFailure? Silence)> NamesAsync(string agent, OrderId survey, int packs, CancellationToken cancel)
    {
        var names = new List<string>();
        for (var more = true; more && names.Count <= packs;)
        {
            var query = new SurveyPacksQuery { OrderId = survey, Skip = names.Count };
            var reply = await link.SendAsync(new AgentName(agent), OrderId.NewRandom(), query, cancel).ConfigureAwait(false);
            if (reply.Answer is not { } page)
            {
                return (names, reply.Failure);
            }

            names.AddRange(page.Names);
            more = page.Names.Count == SurveyPacksQuery.PageItemsMax;
        }

        return (names, null);
    }

    private async Task<string> FailAsync(RestoreId id, JobFailure why, CancellationToken cancel) =>
        (await archive.EndAsync(id, ArchiveState.Failed, $"{why.Code}: {why.Text} {why.Hint}", null, "orchestration", cancel).ConfigureAwait(false)).State.ToString();
}
