using System.CommandLine;
using System.Globalization;
using Backup.AgentApi;
using Backup.Cli.Output;

namespace Backup.Cli.ControlPlane;

/// <summary><c>agent …</c>: which agents there are, what they are known by, inviting them, rotating and revoking their keys.</summary>
internal static class AgentCommands
{
    private const int MinutesDefault = 60;

    public static Command Create(CliContext context) => CliContext.Group(
        "agent", "Agents: invitations and keys, by way of the control plane.", List(context), Show(context), Invite(context), RotateKey(context), RevokeKey(context));

    /// <summary>How long the old key still counts.</summary>
    public static Option<double> Overlap() => new("--overlap-hours")
    {
        Description = $"How long the old key still counts, 0 to {KeyChange.OverlapSecondsMax / 3600}.",
        HelpName = "HOURS",
        DefaultValueFactory = _ => KeyChange.OverlapSecondsDefault / 3600.0,
    };

    public static OverlapWish Wish(double hours) => hours is >= 0 and <= KeyChange.OverlapSecondsMax / 3600.0
        ? new OverlapWish((int)(hours * 3600))
        : throw new CliException(CliFault.OptionInvalid, $"An overlap of {hours.ToString(CultureInfo.InvariantCulture)} hours is not possible.", $"Give --overlap-hours from 0 to {KeyChange.OverlapSecondsMax / 3600}.");

    private static Argument<string> Name() => new("name") { Description = "The agent's name in the policy." };

    private static string PathOf(string agent, string rest = "") => $"agents/{Uri.EscapeDataString(agent)}{rest}";

    private static Command List(CliContext context)
    {
        var api = new ApiArguments();
        return context.Leaf("list", "List the agents of the policy; each is asked how it is.", api.All, async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var table = new TextTable("AGENT", "SITE", "STATE", "VERSION", "KEY", "PINNED");
            foreach (var agent in (await client.GetAsync("agents", CliJson.Default.AgentList, cancel).ConfigureAwait(false)).Items)
            {
                if (invocation.IsJson)
                {
                    invocation.Out.WriteJson(agent, CliJson.Default.AgentLine);
                }

                var key = agent.Keys.FirstOrDefault(k => k.State is "current" or "file");
                table.Add(agent.Name, agent.Site, agent.IsAnswering ? "answers" : key is null ? "no key" : "silent", agent.Health?.Version ?? "-", key?.Id ?? "-", Instant(key?.PinnedAt));
            }

            if (!invocation.IsJson)
            {
                table.WriteTo(invocation.Out);
            }

            return ExitCode.Success;
        });
    }

    private static Command Show(CliContext context)
    {
        var (api, name) = (new ApiArguments(), Name());
        return context.Leaf("show", "Show an agent and the fingerprints of all keys on both sides.", [name, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var agent = await client.GetAsync(PathOf(invocation.Require(name)), CliJson.Default.AgentLine, cancel).ConfigureAwait(false);
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(agent, CliJson.Default.AgentLine);
                return ExitCode.Success;
            }

            invocation.Out.WriteLine($"{agent.Name}, site {agent.Site}: {(agent.IsAnswering ? "answers" : "does not answer")}");
            if (agent.Problem is { } problem)
            {
                invocation.Out.WriteLine($"{problem.Text}\nHint: {problem.Hint}");
            }

            if (agent.Health is { } health)
            {
                invocation.Out.WriteLine($"version {health.Version}, running since {Figures.Instant(health.StartedAt)}, its clock {Figures.Instant(health.Now)}; {Figures.Count(health.JobsRunning, "job")} running, {health.JobsQueued} waiting");
            }

            var table = new TextTable("KNOWN BY KEY", "STATE", "PINNED", "COUNTS UNTIL");
            foreach (var key in agent.Keys)
            {
                table.Add(key.Id, key.State, Instant(key.PinnedAt), Instant(key.AcceptUntil));
            }

            table.WriteTo(invocation.Out);
            if (agent.Inventory is { } inventory)
            {
                invocation.Out.WriteLine($"the agent itself holds: {string.Join(", ", inventory.KeyIds)}\nit trusts of the control plane: {string.Join(", ", inventory.TrustedKeyIds)}");
            }

            return ExitCode.Success;
        });
    }

    private static Command Invite(CliContext context)
    {
        var (api, name) = (new ApiArguments(), Name());
        var minutes = new Option<int>("--minutes") { Description = "How long the code counts, 1 to 1440.", HelpName = "N", DefaultValueFactory = _ => MinutesDefault };
        return context.Leaf("invite", "Make a one-time code with which an agent enrols. Only the code goes to standard output.", [name, minutes, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var invitation = await client.PostAsync(
                PathOf(invocation.Require(name), "/enrolment"), new InvitationWish(invocation.Require(minutes)), CliJson.Default.InvitationWish, CliJson.Default.InvitationLine, cancel).ConfigureAwait(false);
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(invitation, CliJson.Default.InvitationLine);
                return ExitCode.Success;
            }

            invocation.Out.WriteLine(invitation.Code);
            invocation.Note($"""
                This code counts once, for {invitation.Agent}, until {Figures.Instant(invitation.ExpiresAt)}. On the agent's machine, give it on standard input to
                  Backup.Agent enroll --config FILE --control-plane {api.Address(invocation)}
                and start the agent. From then on its earlier keys count no more.
                """);
            return ExitCode.Success;
        });
    }

    private static Command RotateKey(CliContext context)
    {
        var (api, name, overlap) = (new ApiArguments(), Name(), Overlap());
        return context.Leaf("rotate-key", "Have an agent make a new key. Old and new both count until the overlap is over.", [name, overlap, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var wish = Wish(invocation.Require(overlap));
            var outcome = await client.PostAsync(
                PathOf(invocation.Require(name), "/keys/rotate"), wish, CliJson.Default.OverlapWish, CliJson.Default.KeyOutcomeLine, cancel).ConfigureAwait(false);
            Tell(invocation, outcome, CliJson.Default.KeyOutcomeLine, $"Agent {outcome.Agent} has the key {outcome.KeyId} now; the one before counts for {Figures.Duration(TimeSpan.FromSeconds(wish.OverlapSeconds))} more.");
            return ExitCode.Success;
        });
    }

    private static Command RevokeKey(CliContext context)
    {
        var (api, name) = (new ApiArguments(), Name());
        var key = new Argument<string>("key-id") { Description = "The key's fingerprint, from 'agent show'." };
        return context.Leaf("revoke-key", "Revoke a key of an agent for ever: it gets no orders, and what it answers does not count.", [name, key, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var agent = invocation.Require(name);
            var known = await client.GetAsync(PathOf(agent), CliJson.Default.AgentLine, cancel).ConfigureAwait(false);
            var revoked = await client.PostAsync(
                PathOf(agent, $"/keys/{Uri.EscapeDataString(invocation.Require(key))}/revoke"), new NoWish(), CliJson.Default.NoWish, CliJson.Default.RevocationLine, cancel).ConfigureAwait(false);
            Tell(invocation, revoked, CliJson.Default.RevocationLine, revoked.IsNew ? $"Key {revoked.KeyId} of agent {revoked.Agent} is revoked." : $"Key {revoked.KeyId} of agent {revoked.Agent} was revoked before.");
            if (known.Keys.All(k => k.Id != revoked.KeyId))
            {
                invocation.Note("Nobody was known by that key; from now on nobody will be.");
            }
            else if (known.Keys.All(k => k.State is not ("current" or "file") || k.Id == revoked.KeyId))
            {
                invocation.Note($"The agent has no key left: it gets no orders until it enrols anew ('backupctl agent invite {revoked.Agent}').");
            }

            return ExitCode.Success;
        });
    }

    private static string Instant(DateTimeOffset? instant) => instant is { } known ? Figures.Instant(known) : "-";

    private static void Tell<T>(Invocation invocation, T line, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, string text)
    {
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(line, type);
        }
        else
        {
            invocation.Out.WriteLine(text);
        }
    }
}
