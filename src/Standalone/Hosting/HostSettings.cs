using System.Globalization;
using Backup.Standalone.Durable;
using Microsoft.Extensions.Configuration;

namespace Backup.Standalone;

/// <summary>What host.json says, as far as this host heeds it.</summary>
internal sealed class HostSettings
{
    /// <summary>Where host.json stands in the configuration; the environment can override it, as with <c>func</c>.</summary>
    public const string Section = "AzureFunctionsJobHost";

    // Known to Durable Functions and without meaning here: storage, tracing and message batching belong to other backends.
    private static readonly HashSet<string> Ignored = new(StringComparer.OrdinalIgnoreCase)
    {
        "storageProvider", "tracing", "notifications", "extendedSessionsEnabled", "extendedSessionIdleTimeoutInSeconds",
        "useGracefulShutdown", "maxEntityOperationBatchSize", "entityMessageReorderWindowInMinutes",
        "maxOrchestrationActions", "useAppLease", "useLegacyPartitionManagement", "useTablePartitionManagement",
        "overridableExistingInstanceStates", "storeInputsInOrchestrationHistory", "localRpcEndpointEnabled", "maxGrpcMessageSizeInBytes",
        "grpcHttpClientTimeout", "httpSettings", "rollbackEntityOperationsOnExceptions",
    };

    private HostSettings()
    {
    }

    /// <summary>The hub's name. Default <see cref="DurableStorageOptions.DefaultHubName"/>.</summary>
    public string HubName { get; private set; } = DurableStorageOptions.DefaultHubName;

    /// <summary>The first part of every function's route. Default <c>api</c>.</summary>
    public string RoutePrefix { get; private set; } = "api";

    public int? ActivitiesMax { get; private set; }

    public int? OrchestrationsMax { get; private set; }

    public int? EntitiesMax { get; private set; }

    public string? DefaultVersion { get; private set; }

    /// <summary>The host name that callers use, when it is not the one this host listens on.</summary>
    public string? PublicHostName { get; private set; }

    /// <summary>Settings that this host does not know.</summary>
    public IReadOnlyList<string> Warnings { get; private set; } = [];

    /// <exception cref="StandaloneException">A known setting has a bad value; every bad one is named.</exception>
    public static HostSettings Read(IConfiguration configuration)
    {
        var settings = new HostSettings { PublicHostName = configuration["WEBSITE_HOSTNAME"] };
        var problems = new List<string>();
        var warnings = new List<string>();
        foreach (var setting in configuration.GetSection($"{Section}:extensions:durableTask").GetChildren())
        {
            switch (setting.Key.ToUpperInvariant())
            {
                case "HUBNAME":
                    settings.HubName = SettingNames.Resolve(setting.Value ?? string.Empty, configuration);
                    break;
                case "MAXCONCURRENTACTIVITYFUNCTIONS":
                    settings.ActivitiesMax = ReadCount(setting, problems);
                    break;
                case "MAXCONCURRENTORCHESTRATORFUNCTIONS":
                    settings.OrchestrationsMax = ReadCount(setting, problems);
                    break;
                case "MAXCONCURRENTENTITYFUNCTIONS":
                    settings.EntitiesMax = ReadCount(setting, problems);
                    break;
                case "DEFAULTVERSION":
                    settings.DefaultVersion = setting.Value;
                    break;
                default:
                    if (!Ignored.Contains(setting.Key))
                    {
                        warnings.Add($"extensions.durableTask.{setting.Key}");
                    }

                    break;
            }
        }

        foreach (var setting in configuration.GetSection($"{Section}:extensions:http").GetChildren())
        {
            if (string.Equals(setting.Key, "routePrefix", StringComparison.OrdinalIgnoreCase))
            {
                settings.RoutePrefix = (setting.Value ?? string.Empty).Trim('/');
            }
            else
            {
                warnings.Add($"extensions.http.{setting.Key}");
            }
        }

        if (problems.Count > 0)
        {
            throw new StandaloneException(
                StandaloneFault.Configuration, "host.json has bad values: " + string.Join("; ", problems) + ".", "Correct host.json.");
        }

        settings.Warnings = warnings;
        return settings;
    }

    private static int? ReadCount(IConfigurationSection setting, List<string> problems)
    {
        if (int.TryParse(setting.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0)
        {
            return count;
        }

        problems.Add($"extensions.durableTask.{setting.Key} must be a whole number above zero, not '{setting.Value}'");
        return null;
    }
}
