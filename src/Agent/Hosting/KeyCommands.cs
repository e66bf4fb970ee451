using Backup.Agent.Keys;
using Backup.Agent.Settings;
using Backup.AgentApi;
using Microsoft.Extensions.Logging.Abstractions;

namespace Backup.Agent.Hosting;

/// <summary>The commands about keys. They take the state folder, so they and a running agent keep each other out.</summary>
internal static class KeyCommands
{
    private const int CodeCharsMax = 1024;
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);

    /// <returns>What to print.</returns>
    /// <exception cref="AgentException">It did not work.</exception>
    /// <exception cref="AgentApiException">A code or key is not what it should be.</exception>
    public static async Task<string> RunAsync(AgentArguments arguments, AgentSettings settings, TimeProvider time)
    {
        using var state = StateFolder.Take(settings.StateFolder);
        if (arguments.Verb == AgentVerb.Enroll)
        {
            var code = await ReadCodeAsync(arguments.CodeFile).ConfigureAwait(false);
            using var http = new HttpClient { Timeout = AnswerLimit };
            return await new Enrolment(settings, http).RunAsync(state, arguments.ControlPlane!, code, arguments.Replaces, CancellationToken.None).ConfigureAwait(false);
        }

        if (settings.IdentityFile is not null)
        {
            throw new AgentException(AgentFault.Keys, "This agent's keys are files named by its configuration.", "Look at, or replace, the files of identityFile and controlPlaneFile.");
        }

        var keys = KeyRing.Open(state.KeyFile, time, NullLogger.Instance);
        if (arguments.Verb == AgentVerb.Distrust)
        {
            Distrust(keys, arguments.KeyId);
        }

        return string.Join('\n', keys.Own.Select(k => $"own      {k.Public}").Concat(keys.Trusted.Select(k => $"trusted  {k}")));
    }

    private static void Distrust(KeyRing keys, string keyId)
    {
        try
        {
            if (keys.Distrust(keyId).Refusal is { } refusal)
            {
                throw new AgentException(AgentFault.Keys, refusal.Message, refusal.Hint);
            }
        }
        catch (IOException e)
        {
            throw new AgentException(AgentFault.StateFolderUnavailable, $"The key file cannot be written: {e.Message}", "Free space or correct the folder's owner.", e);
        }
    }

    private static async Task<string> ReadCodeAsync(string? file)
    {
        try
        {
            using var reader = file is null ? Console.In : new StreamReader(file);
            var buffer = new char[CodeCharsMax];
            return new string(buffer, 0, await reader.ReadBlockAsync(buffer).ConfigureAwait(false));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentException(AgentFault.Keys, $"The code file {file} cannot be read: {e.Message}", "Name a file that this user may read, or give the code on standard input.", e);
        }
    }
}
