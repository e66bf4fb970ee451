using Backup.Catalog.Alerts;
using Backup.Functions.Access;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Backup.Functions.Http;

/// <summary>Alerts over HTTP.</summary>
/// <param name="alerts">The alerts.</param>
/// <param name="administrators">Who may close them.</param>
/// <param name="logger">Hears of failed requests.</param>
public sealed class AlertHttp(AlertStore alerts, Administrators administrators, ILogger<AlertHttp> logger)
{
    /// <summary>Alerts, newest first; <c>?state=open|all&amp;limit=&amp;continuation=</c>, open ones unless asked for all.</summary>
    [Function(nameof(GetAlerts))]
    public Task<IResult> GetAlerts([HttpTrigger(AuthorizationLevel.Function, "get", Route = "alerts")] HttpRequest request, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var (limit, continuation) = HttpInput.Page(request);
            var shown = HttpInput.Choice<AlertChoice>(request, "state") ?? AlertChoice.Open;
            var page = await alerts.ListAsync(shown is AlertChoice.Open, continuation, limit, cancel).ConfigureAwait(false);
            return HttpAnswer.Page(page, alert => alert);
        });

    /// <summary>An administrator closes an alert, with the reason. A freeze is lifted by its own address, and closes its alert.</summary>
    [Function(nameof(PostAlertClosing))]
    public Task<IResult> PostAlertClosing([HttpTrigger(AuthorizationLevel.Function, "post", Route = "alerts/{id}/close")] HttpRequest request, string id, CancellationToken cancel) =>
        HttpAnswer.GuardAsync(request, logger, async () =>
        {
            var administrator = administrators.Require(request);
            var reason = await HttpInput.ReasonAsync(request, cancel).ConfigureAwait(false);
            return await alerts.CloseAsync(id, reason, administrator, cancel).ConfigureAwait(false) is { } alert
                ? HttpAnswer.Ok(alert)
                : throw HttpInput.NotFound($"There is no alert \"{id}\".", "GET /api/alerts lists them.");
        });

    private enum AlertChoice
    {
        Open,
        All,
    }
}
