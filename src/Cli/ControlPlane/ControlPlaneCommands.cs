using System.CommandLine;
using Backup.Cli.Output;

namespace Backup.Cli.ControlPlane;

/// <summary><c>control-plane …</c>: the control plane's own keys, announced to and revoked at every agent.</summary>
internal static class ControlPlaneCommands
{
    public static Command Create(CliContext context) => CliContext.Group(
        "control-plane", "The control plane's own keys.", Keys(context), AnnounceKey(context), RevokeKey(context));

    private static Command Keys(CliContext context)
    {
        var api = new ApiArguments();
        return context.Leaf("keys", "List the control plane's keys and who confirmed the next one.", api.All, async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            var own = await client.GetAsync("control-plane/keys", CliJson.Default.ControlPlaneKeysLine, cancel).ConfigureAwait(false);
            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(own, CliJson.Default.ControlPlaneKeysLine);
                return ExitCode.Success;
            }

            var table = new TextTable("KEY", "STATE", "CONFIRMED BY");
            foreach (var key in own.Keys)
            {
                table.Add(key.Id, key.State, key.ConfirmedBy is { } agents ? agents.Count == 0 ? "nobody" : string.Join(", ", agents) : "-");
            }

            table.WriteTo(invocation.Out);
            return ExitCode.Success;
        });
    }

    private static Command AnnounceKey(CliContext context)
    {
        var (api, overlap) = (new ApiArguments(), AgentCommands.Overlap());
        return context.Leaf("announce-key", "Tell every agent to trust the next key (ControlPlane:NextIdentityFile). Repeat until all have confirmed.", [overlap, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            return Tell(invocation, "trusts", await client.PostAsync(
                "control-plane/keys/announce", AgentCommands.Wish(invocation.Require(overlap)), CliJson.Default.OverlapWish, CliJson.Default.KeyOutcomesLine, cancel).ConfigureAwait(false));
        });
    }

    private static Command RevokeKey(CliContext context)
    {
        var api = new ApiArguments();
        var key = new Argument<string>("key-id") { Description = "The key's fingerprint, from 'control-plane keys' or 'agent show'." };
        return context.Leaf("revoke-key", "Have every agent distrust a key of the control plane for ever. Repeat until all have confirmed.", [key, .. api.All], async (invocation, cancel) =>
        {
            using var client = api.Open(invocation);
            return Tell(invocation, "distrusts", await client.PostAsync(
                $"control-plane/keys/{Uri.EscapeDataString(invocation.Require(key))}/revoke", new NoWish(), CliJson.Default.NoWish, CliJson.Default.KeyOutcomesLine, cancel).ConfigureAwait(false));
        });
    }

    private static ExitCode Tell(Invocation invocation, string confirms, KeyOutcomesLine outcomes)
    {
        if (invocation.IsJson)
        {
            invocation.Out.WriteJson(outcomes, CliJson.Default.KeyOutcomesLine);
        }
        else
        {
            foreach (var agent in outcomes.Agents)
            {
                invocation.Out.WriteLine(agent.Done ? $"{agent.Agent} {confirms} {outcomes.KeyId}." : $"{agent.Agent} did not confirm: {agent.Text} {agent.Hint}");
            }
        }

        // A script can repeat until this is success.
        return outcomes.AllDone ? ExitCode.Success : ExitCode.Partial;
    }
}
