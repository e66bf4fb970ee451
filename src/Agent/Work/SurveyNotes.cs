using Backup.Agent.Jobs;
using Backup.Agent.Journal;
using Backup.Agent.Settings;
using Backup.AgentApi;

namespace Backup.Agent.Work;

/// <summary>What surveys found: one file per order, a pack's name in each line. Lost, it costs another survey.</summary>
internal sealed class SurveyNotes(StateFolder state, TimeProvider time)
{
    private readonly OrderNotes _notes = new(Path.Combine(state.Root, "surveys"));

    /// <summary>Keeps the names, and removes those of surveys whose jobs are forgotten.</summary>
    /// <exception cref="AgentException">They cannot be written.</exception>
    public void Keep(OrderId id, IEnumerable<string> packs) => Guard(() =>
    {
        _notes.RemoveOlderThan(time.GetUtcNow() - JobBook.KeptFor - TimeSpan.FromDays(1));
        _notes.Write(id, file =>
        {
            using var lines = new StreamWriter(file, leaveOpen: true);
            foreach (var pack in packs)
            {
                lines.WriteLine(pack);
            }
        });
        return true;
    });

    /// <summary>A page of the names; null when there is no such survey.</summary>
    /// <exception cref="AgentException">They cannot be read.</exception>
    public SurveyPacksPage? Read(SurveyPacksQuery query) => Guard(() => File.Exists(_notes.PathOf(query.OrderId))
        ? new SurveyPacksPage { Names = [.. File.ReadLines(_notes.PathOf(query.OrderId)).Skip(query.Skip).Take(SurveyPacksQuery.PageItemsMax)] }
        : null);

    private static T Guard<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AgentException.OfJob(
                new Failure { Code = FailureCode.DiskFull, Message = $"What the survey found cannot be kept: {e.Message}", Hint = "Check the agent's state folder." }, e);
        }
    }
}
