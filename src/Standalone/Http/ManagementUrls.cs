using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Extensions;
using Microsoft.Azure.Functions.Worker;

namespace Backup.Standalone.Http;

/// <summary>The URLs under which instances are managed.</summary>
internal sealed class ManagementUrls(IServer server, AccessKeys keys, HostSettings settings)
{
    /// <summary>The path of the management API.</summary>
    public const string Path = "/runtime/webhooks/durabletask";

    /// <summary>The URLs of an instance as seen by a request, or by the address this host listens on.</summary>
    public HttpManagementPayload PayloadFor(string instanceId, Uri? requestUrl)
    {
        var origin = requestUrl?.GetLeftPart(UriPartial.Authority) ?? OwnOrigin();
        var instance = $"{origin}{Path}/instances/{Uri.EscapeDataString(instanceId)}";
        var suffix = $"taskHub={Uri.EscapeDataString(settings.HubName)}&connection=Durable&code={Uri.EscapeDataString(keys.SystemKey)}";
        return new HttpManagementPayload
        {
            Id = instanceId,
            StatusQueryGetUri = $"{instance}?{suffix}",
            SendEventPostUri = $"{instance}/raiseEvent/{{eventName}}?{suffix}",
            TerminatePostUri = $"{instance}/terminate?reason={{text}}&{suffix}",
            PurgeHistoryDeleteUri = $"{instance}?{suffix}",
            RestartPostUri = $"{instance}/restart?{suffix}",
            SuspendPostUri = $"{instance}/suspend?reason={{text}}&{suffix}",
            ResumePostUri = $"{instance}/resume?reason={{text}}&{suffix}",
        };
    }

    public HttpManagementPayload PayloadFor(string instanceId, HttpRequest request) => PayloadFor(instanceId, new Uri(request.GetEncodedUrl()));

    private string OwnOrigin()
    {
        if (settings.PublicHostName is { Length: > 0 } name)
        {
            return name.Contains("://", StringComparison.Ordinal) ? name.TrimEnd('/') : $"https://{name}";
        }

        var address = server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault()
            ?? throw new InvalidOperationException("The host does not listen yet: pass the request, or set WEBSITE_HOSTNAME.");
        return BindingAddress.Parse(address) is { Host: "*" or "+" or "[::]" or "0.0.0.0" } any
            ? $"{any.Scheme}://localhost:{any.Port}"
            : address.TrimEnd('/');
    }
}
