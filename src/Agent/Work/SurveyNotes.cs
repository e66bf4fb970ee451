using Backup.Agent.Jobs;
using Backup.Agent.Settings;
using Backup.AgentApi;

namespace Backup.Agent.Work;

/// <summary>What surveys found: one file per order, a pack's name in each line. Lost, it costs another survey.</summary>
internal sealed class SurveyNotes(StateFolder state, TimeProvider time)
{
    private readonly string _folder = Path.Combine(state.Root, "surveys");

    /// <summary>Keeps the names, and removes those of surveys whose jobs are forgotten.</summary>
    /// <exception cref="AgentException">They cannot be written.</exception>
    public void Keep(OrderId id, IEnumerable<string> packs) => Guard(() =>
    {
        Directory.CreateDirectory(_folder);
        var old = time.GetUtcNow() - JobBook.KeptFor - TimeSpan.FromDays(1);
        foreach (var note in new DirectoryInfo(_folder).EnumerateFiles().Where(f => f.LastWriteTimeUtc < old.UtcDateTime))
        {
            note.Delete();
        }

        // Order ids never start with a dot, so this name is nobody's note.
        var unfinished = Path.Combine(_folder, $".{id.Value}");
        File.WriteAllLines(unfinished, packs);
        File.Move(unfinished, NoteOf(id), overwrite: true);
        return true;
    });

    /// <summary>A page of the names; null when there is no such survey.</summary>
    /// <exception cref="AgentException">They cannot be read.</exception>
    public SurveyPacksPage? Read(SurveyPacksQuery query) => Guard(() => File.Exists(NoteOf(query.OrderId))
        ? new SurveyPacksPage { Names = [.. File.ReadLines(NoteOf(query.OrderId)).Skip(query.Skip).Take(SurveyPacksQuery.PageItemsMax)] }
        : null);

    private string NoteOf(OrderId id) => Path.Combine(_folder, id.Value);

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
