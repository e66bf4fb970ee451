using System.Text.Json;
using Backup.LocalStack.Services;

namespace Backup.LocalStack.Run;

/// <summary>Ties the agent to the control plane as an administrator does: invites it, and gives it the code.</summary>
/// <remarks>
/// (1) does each side hold the other's key? (2) invite: <c>backupctl agent invite</c> (3) enrol: <c>Backup.Agent enroll</c>, which takes the code
/// from its standard input, so that it is in no argument and no file.
/// </remarks>
internal sealed class AgentEnrolment(StackFolders folders, Secrets secrets, SettingsFiles settings, Uri controlPlane)
{
    /// <summary>Enrols the agent where it is not. Functions must run; the agent must not.</summary>
    public async Task EnsureAsync(CancellationToken cancel)
    {
        var hasKeys = File.Exists(Path.Combine(folders.Agent, "keys.json"));
        if (hasKeys && await IsKnownAsync(cancel).ConfigureAwait(false))                                              // (1)
        {
            return;
        }

        var code = await AskAsync("invite", [], cancel).ConfigureAwait(false);                                        // (2)
        string[] replace = hasKeys ? ["--replace"] : [];
        await ProgramRun.OfOurOwnAsync(                                                                               // (3)
            "Agent", ["enroll", "--config", settings.Agent, "--control-plane", controlPlane.ToString(), .. replace], cancel, code).ConfigureAwait(false);
    }

    private async Task<bool> IsKnownAsync(CancellationToken cancel)
    {
        using var agent = JsonDocument.Parse(await AskAsync("show", ["--json"], cancel).ConfigureAwait(false));
        return agent.RootElement.GetProperty("keys").EnumerateArray().Any(key => key.GetProperty("state").GetString() == "current");
    }

    private async Task<string> AskAsync(string verb, string[] more, CancellationToken cancel) => (await ProgramRun.OfOurOwnAsync(
        "Cli", ["agent", verb, Stack.AgentName, "--control-plane", controlPlane.ToString(), "--api-key-file", secrets.AdminKey, .. more], cancel).ConfigureAwait(false)).Output;
}
