using System.Net;
using System.Text;
using System.Text.Json;
using Backup.Agent.Settings;
using Backup.AgentApi;

namespace Backup.Agent.Keys;

/// <summary>Ties this agent to a control plane with a one-time code.</summary>
/// <remarks>
/// (1) is there anything to lose (2) read the code (3) find the control plane and compare its key with the code (4) make the agent's
/// identity and keep it, so that a repetition after a lost answer is the same agent (5) ask (6) keep both sides' keys.
/// </remarks>
internal sealed class Enrolment(AgentSettings settings, HttpClient http)
{
    private const int AnswerBytesMax = SealingLimits.EnrolmentBytesMax;
    private const string Path = "api/enrolment";

    /// <param name="state">The agent's state folder, taken.</param>
    /// <param name="controlPlane">Where the control plane's HTTP interface is.</param>
    /// <param name="code">The code's text.</param>
    /// <param name="replaces">Whether keys of an earlier enrolment may be thrown away.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>What was agreed, for people.</returns>
    /// <exception cref="AgentException">It did not work.</exception>
    /// <exception cref="AgentApiException">The code, or the other side, is not what it should be.</exception>
    public async Task<string> RunAsync(StateFolder state, Uri controlPlane, string code, bool replaces, CancellationToken cancel)
    {
        if (settings.IdentityFile is not null)
        {
            throw Refused("The configuration names identity files, which would count instead of an enrolment.", "Remove identityFile and controlPlaneFile from it.");
        }

        if (!replaces && File.Exists(state.KeyFile))                                                             // (1)
        {
            throw Refused("This agent is enrolled already.", "Its keys rotate by orders. To throw them away and enrol anew, add --replace.");
        }

        var invitation = EnrolmentCode.Parse(code);                                                              // (2)
        var address = new Uri(controlPlane.AbsoluteUri.TrimEnd('/') + "/" + Path);
        var found = PublicIdentity.Parse(Encoding.UTF8.GetString(await SendAsync(new HttpRequestMessage(HttpMethod.Get, address), cancel).ConfigureAwait(false)));    // (3)
        using var identity = OwnIdentity(state);                                                                 // (4)
        var request = EnrolmentRequest.Create(invitation, found, identity);
        var welcome = await SendAsync(new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(request.Envelope.ToArray()) }, cancel).ConfigureAwait(false);    // (5)
        var trusted = request.OpenWelcome(welcome);
        try                                                                                                      // (6)
        {
            new KeyRingFile { Own = [new StoredKey(identity.Export())], Trusted = [.. trusted.Select(k => new StoredKey(k.Export()))] }.Write(state.KeyFile);
            File.Delete(state.EnrollingFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentException(AgentFault.StateFolderUnavailable, $"The keys cannot be kept: {e.Message}", "Free space or correct the folder's owner, then run the same command again: the code still counts for this agent.", e);
        }

        return $"Enrolled {identity.Public}. It trusts {string.Join(", ", trusted)}.";
    }

    private PrivateIdentity OwnIdentity(StateFolder state)
    {
        if (File.Exists(state.EnrollingFile))
        {
            var kept = PrivateIdentity.Load(state.EnrollingFile);
            if (kept.Name == settings.Name)
            {
                return kept;
            }

            kept.Dispose();
            File.Delete(state.EnrollingFile);
        }

        var made = PrivateIdentity.Create(settings.Name);
        made.Save(state.EnrollingFile);
        return made;
    }

    private async Task<byte[]> SendAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        using (request)
        {
            try
            {
                using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel).ConfigureAwait(false);
                if (answer.Content.Headers.ContentLength > AnswerBytesMax)
                {
                    throw Refused("The control plane's answer is too long.", "Check the address.");
                }

                await answer.Content.LoadIntoBufferAsync(AnswerBytesMax, cancel).ConfigureAwait(false);
                var body = await answer.Content.ReadAsByteArrayAsync(cancel).ConfigureAwait(false);
                return answer.StatusCode == HttpStatusCode.OK ? body : throw Problem(answer.StatusCode, body);
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException { InnerException: TimeoutException })
            {
                throw new AgentException(AgentFault.ControlPlaneUnreachable, $"The control plane at {request.RequestUri!.GetLeftPart(UriPartial.Authority)} does not answer: {e.Message}", "Check the address, then run the same command again.", e);
            }
        }
    }

    private static AgentException Problem(HttpStatusCode status, byte[] body)
    {
        try
        {
            var problem = JsonDocument.Parse(body).RootElement;
            return Refused(problem.GetProperty("title").GetString()!, problem.GetProperty("detail").GetString()!);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return Refused($"What answers there is no control plane of this release (status {(int)status}).", "Check the address.");
        }
    }

    private static AgentException Refused(string message, string hint) => new(AgentFault.Keys, message, hint);
}
