using System.Text.RegularExpressions;

namespace Backup.Standalone.Durable;

/// <summary>Where durable state lives and the limits the engine keeps.</summary>
public sealed partial class DurableStorageOptions
{
    /// <summary>The setting that holds the connection string.</summary>
    public const string ConnectionSetting = "ConnectionStrings:Durable";

    /// <summary>The environment variable that is accepted, too.</summary>
    public const string ConnectionVariable = "DURABLE_CONNECTION";

    /// <summary>The hub of workers and clients that name none.</summary>
    public const string DefaultHubName = "DurableHub";

    internal const int ListeningPollFactor = 5;

    /// <summary>The PostgreSQL connection string; null: taken from configuration.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>The hub: workers and clients of one hub share instances, and see none of another hub's. Default <c>DurableHub</c>.</summary>
    /// <remarks>3 to 45 letters, digits and underscores, beginning with a letter; case does not matter.</remarks>
    public string HubName { get; set; } = DefaultHubName;

    /// <summary>How long a process that shows no sign of life keeps what it works on. Default 15 s, at least 2 s.</summary>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How long to wait before looking for work while notifications cannot arrive; five times as long while they can. Default 1 s.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How many events the history of one execution may hold before the instance fails. Default 100,000.</summary>
    public int HistoryEventsMax { get; set; } = 100_000;

    /// <summary>How many characters the inputs and results in one execution's history may hold before the instance fails. Default 256 Mi.</summary>
    public long HistoryCharactersMax { get; set; } = 256L * 1024 * 1024;

    /// <summary>
    /// How often a turn or an activity may be taken up without ever ending, because its process died, before it counts as
    /// poison and fails. Default 25.
    /// </summary>
    public int AttemptsMax { get; set; } = 25;

    /// <summary>How many messages one turn takes in. Default 1,000.</summary>
    public int MessagesPerTurnMax { get; set; } = 1_000;

    /// <summary>How long a stopping host waits for running turns and activities. Default 20 s.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(20);

    internal string SchemaName
    {
        get
        {
            if (!HubNamePattern().IsMatch(HubName))
            {
                throw new StandaloneException(
                    StandaloneFault.Configuration,
                    $"The hub name '{HubName}' is not valid.",
                    "Use 3 to 45 letters, digits and underscores, beginning with a letter (host.json: extensions.durableTask.hubName).");
            }

            return "hub_" + HubName.ToLowerInvariant();
        }
    }

    [GeneratedRegex("^[A-Za-z][A-Za-z0-9_]{2,44}$")]
    private static partial Regex HubNamePattern();
}
