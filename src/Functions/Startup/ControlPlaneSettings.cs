using System.Globalization;
using Backup.Functions.Agents;
using Backup.Functions.Archive;
using Backup.Policy;
using Backup.Relay;
using Microsoft.Extensions.Configuration;

namespace Backup.Functions.Startup;

/// <summary>The app's own settings, read and checked at once at the start.</summary>
public sealed record ControlPlaneSettings
{
    /// <summary>Where the policy is: <c>Policy:File</c>.</summary>
    public required string PolicyFile { get; init; }

    /// <summary>The catalog's database: <c>ConnectionStrings:Catalog</c>.</summary>
    public required string CatalogConnection { get; init; }

    /// <summary>The relay namespace, <c>sb://host[:port]</c>: <c>Relay:Endpoint</c>.</summary>
    public required string RelayEndpoint { get; init; }

    /// <summary>The rule with the right Send: <c>Relay:KeyName</c>. Only with a key.</summary>
    public string? RelayKeyName { get; init; }

    /// <summary>A file with that rule's key: <c>Relay:KeyFile</c>. Exactly one of this, <see cref="RelayKey"/> and <see cref="RelayIdentity"/>.</summary>
    public string? RelayKeyFile { get; init; }

    /// <summary>That rule's key, meant for a Key Vault reference: <c>Relay:Key</c>.</summary>
    public string? RelayKey { get; init; }

    /// <summary>The Entra ID identity with the role Azure Relay Sender, in place of a key: <c>Relay:Identity</c>.</summary>
    public RelayIdentity? RelayIdentity { get; init; }

    /// <summary>A PEM file to trust instead of the machine's store: <c>Relay:TrustedCertificateFile</c>.</summary>
    public string? RelayTrustedCertificateFile { get; init; }

    /// <summary>The private identity that signs orders: <c>ControlPlane:IdentityFile</c>.</summary>
    public required string IdentityFile { get; init; }

    /// <summary>The private identity that will sign orders once every agent trusts it: <c>ControlPlane:NextIdentityFile</c>. Only during a rotation.</summary>
    public string? NextIdentityFile { get; init; }

    /// <summary>A folder with public identities that were pinned by hand, <c>{agent}.pub</c>: <c>ControlPlane:AgentsFolder</c>. Enrolled agents need none.</summary>
    public string? AgentsFolder { get; init; }

    /// <summary>How long orchestrations put up with silence and failure: <c>Jobs:…</c>.</summary>
    public required JobPatience Patience { get; init; }

    /// <summary>How often archive tiers are asked: <c>Archive:PollSeconds</c>.</summary>
    public ArchivePatience Archive { get; init; } = new();

    /// <summary>How long bringing a pack back from the archive tier seems to take, against an emulator that does it at once: <c>Archive:EmulatedSeconds</c>. Null: as long as it takes.</summary>
    public TimeSpan? EmulatedRehydration { get; init; }

    /// <summary>Prints no secret.</summary>
    public override string ToString() => $"policy {PolicyFile}, relay {RelayEndpoint}";

    /// <summary>Reads the settings.</summary>
    /// <exception cref="ControlPlaneException">Something is missing or wrong; the message lists all of it.</exception>
    public static ControlPlaneSettings Read(IConfiguration configuration)
    {
        var problems = new List<string>();
        var settings = new ControlPlaneSettings
        {
            PolicyFile = Required("Policy:File"),
            CatalogConnection = Required("ConnectionStrings:Catalog"),
            RelayEndpoint = Required("Relay:Endpoint"),
            RelayKeyName = configuration["Relay:KeyName"],
            RelayKeyFile = configuration["Relay:KeyFile"],
            RelayKey = configuration["Relay:Key"],
            RelayIdentity = Identity("Relay:Identity"),
            RelayTrustedCertificateFile = configuration["Relay:TrustedCertificateFile"],
            IdentityFile = Required("ControlPlane:IdentityFile"),
            NextIdentityFile = configuration["ControlPlane:NextIdentityFile"],
            AgentsFolder = configuration["ControlPlane:AgentsFolder"],
            Patience = new JobPatience
            {
                OfflineSeconds = Seconds("Jobs:OfflineSeconds", JobPatience.OfflineSecondsDefault),
                LostContactSeconds = Seconds("Jobs:LostContactSeconds", JobPatience.LostContactSecondsDefault),
                RetrySeconds = Seconds("Jobs:RetrySeconds", JobPatience.RetrySecondsDefault),
                JobSeconds = Seconds("Jobs:JobSeconds", JobPatience.JobSecondsDefault),
            },
            Archive = new ArchivePatience { PollMilliseconds = Seconds("Archive:PollSeconds", ArchivePatience.PollSecondsDefault) * 1000 },
            EmulatedRehydration = string.IsNullOrEmpty(configuration["Archive:EmulatedSeconds"]) ? null : TimeSpan.FromSeconds(Seconds("Archive:EmulatedSeconds", 1)),
        };
        var isByIdentity = !string.IsNullOrEmpty(configuration["Relay:Identity"]);
        if (new[] { !string.IsNullOrEmpty(settings.RelayKeyFile), !string.IsNullOrEmpty(settings.RelayKey), isByIdentity }.Count(isSet => isSet) != 1)
        {
            problems.Add("set exactly one of Relay:KeyFile, Relay:Key and Relay:Identity");
        }

        if (isByIdentity != string.IsNullOrEmpty(settings.RelayKeyName))
        {
            problems.Add(isByIdentity ? "Relay:KeyName belongs to a key; an identity needs none" : "Relay:KeyName is missing");
        }

        return problems.Count == 0
            ? settings
            : throw new ControlPlaneException(
                ControlPlaneFault.Settings,
                $"The settings have {problems.Count} problem{(problems.Count == 1 ? "" : "s")}:\n{string.Join('\n', problems)}",
                "local.settings.sample.json lists every setting; as environment variables, write __ for the colon.");

        string Required(string key)
        {
            var value = configuration[key];
            if (string.IsNullOrWhiteSpace(value))
            {
                problems.Add($"{key} is missing");
            }

            return value ?? "";
        }

        RelayIdentity? Identity(string key)
        {
            var text = configuration[key];
            if (string.IsNullOrEmpty(text))
            {
                return null;
            }

            var identity = RelayIdentity.TryParse(text);
            if (identity is null)
            {
                problems.Add($"{key} is {RelayIdentity.Forms}; this is \"{text}\"");
            }

            return identity;
        }

        int Seconds(string key, int standard)
        {
            var text = configuration[key];
            if (string.IsNullOrEmpty(text))
            {
                return standard;
            }

            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= JobPatience.SecondsMax)
            {
                return seconds;
            }

            problems.Add($"{key} is a whole number of seconds from 1 to {JobPatience.SecondsMax}; this is \"{text}\"");
            return standard;
        }
    }

    /// <summary>Where a tier's storage is: its own <c>Offsite:{tier}:…</c>, or else <c>Offsite:…</c>.</summary>
    /// <returns>Exactly one of the two.</returns>
    /// <exception cref="ControlPlaneException">Neither or both are set, or the address is not https.</exception>
    public static (string? ConnectionString, Uri? ServiceUri) Offsite(IConfiguration configuration, TierName tier)
    {
        foreach (var section in new[] { $"Offsite:{tier}", "Offsite" })
        {
            var connection = configuration[$"{section}:ConnectionString"];
            var service = configuration[$"{section}:ServiceUri"];
            if (string.IsNullOrEmpty(connection) && string.IsNullOrEmpty(service))
            {
                continue;
            }

            if (!string.IsNullOrEmpty(connection) && !string.IsNullOrEmpty(service))
            {
                throw Wrong($"{section}:ConnectionString and {section}:ServiceUri are both set");
            }

            if (!string.IsNullOrEmpty(connection))
            {
                return (connection, null);
            }

            return Uri.TryCreate(service, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttps ? (null, uri) : throw Wrong($"{section}:ServiceUri is not an https address");
        }

        throw Wrong($"tier {tier} has no storage: neither Offsite:{tier}:… nor Offsite:… is set");

        static ControlPlaneException Wrong(string what) => new(
            ControlPlaneFault.Settings, $"The off-site settings are wrong: {what}.", "Set ConnectionString (Azurite) or ServiceUri (Azure, with the app's identity).");
    }
}
