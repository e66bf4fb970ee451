using System.Globalization;
using Backup.Standalone.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;

namespace Backup.Standalone.Http;

/// <summary>The durable client over HTTP, as Durable Functions documents it. Every call needs a system key.</summary>
internal sealed class ManagementApi(
    IDurableTaskClientProvider clients, AccessKeys keys, ManagementUrls urls, PayloadSerializer serializer, EntityApi entities)
{
    public const string ContinuationHeader = "x-ms-continuation-token";

    private DurableTaskClient Client => clients.GetClient();

    public void Map(IEndpointRouteBuilder endpoints)
    {
        var api = endpoints.MapGroup(ManagementUrls.Path).AddEndpointFilter(async (context, next) =>
            keys.Allows(context.HttpContext.Request, AuthorizationLevel.System)
                ? await next(context).ConfigureAwait(false)
                : Results.Unauthorized());
        api.MapGet("/instances", ListAsync);
        api.MapDelete("/instances", PurgeAllAsync);
        api.MapGet("/instances/{id}", StatusAsync);
        api.MapDelete("/instances/{id}", PurgeAsync);
        api.MapPost("/instances/{id}/raiseEvent/{eventName}", RaiseAsync);
        api.MapPost("/instances/{id}/terminate", (string id, string? reason, CancellationToken cancel) =>
            CommandAsync(id, client => client.TerminateInstanceAsync(id, (object?)reason, cancel), cancel));
        api.MapPost("/instances/{id}/suspend", (string id, string? reason, CancellationToken cancel) =>
            CommandAsync(id, client => client.SuspendInstanceAsync(id, reason, cancel), cancel));
        api.MapPost("/instances/{id}/resume", (string id, string? reason, CancellationToken cancel) =>
            CommandAsync(id, client => client.ResumeInstanceAsync(id, reason, cancel), cancel));
        api.MapPost("/instances/{id}/restart", RestartAsync);
        api.MapPost("/orchestrators/{name}/{id?}", StartAsync);
        entities.Map(api);
    }

    private async Task<IResult> StatusAsync(
        string id,
        HttpContext http,
        CancellationToken cancel,
        bool showHistory = false,
        bool showHistoryOutput = false,
        bool showInput = true,
        bool returnInternalServerErrorOnFailure = false)
    {
        var metadata = await Client.GetInstancesAsync(id, true, cancel).ConfigureAwait(false);
        if (metadata is null)
        {
            return Results.NotFound();
        }

        var history = showHistory ? await Client.GetOrchestrationHistoryAsync(id, cancel).ConfigureAwait(false) : null;
        var body = StatusBody.Of(metadata, history, showHistoryOutput, showInput);
        switch (metadata.RuntimeStatus)
        {
            case OrchestrationRuntimeStatus.Failed when returnInternalServerErrorOnFailure:
                return Results.Json(body, statusCode: StatusCodes.Status500InternalServerError);
            case OrchestrationRuntimeStatus.Completed or OrchestrationRuntimeStatus.Failed
                or OrchestrationRuntimeStatus.Terminated or OrchestrationRuntimeStatus.Canceled:
                return Results.Json(body);
            default:
                http.Response.Headers.Location = urls.PayloadFor(id, http.Request).StatusQueryGetUri;
                http.Response.Headers.RetryAfter = "10";
                return Results.Json(body, statusCode: StatusCodes.Status202Accepted);
        }
    }

    private async Task<IResult> ListAsync(
        HttpContext http,
        CancellationToken cancel,
        string? runtimeStatus = null,
        string? createdTimeFrom = null,
        string? createdTimeTo = null,
        string? instanceIdPrefix = null,
        int top = OrchestrationQuery.DefaultPageSize,
        bool showInput = true)
    {
        if (!TryReadFilter(runtimeStatus, createdTimeFrom, createdTimeTo, out var statuses, out var from, out var to) || top < 1)
        {
            return Results.BadRequest();
        }

        var query = new OrchestrationQuery(from, to, statuses, InstanceIdPrefix: instanceIdPrefix, PageSize: top, FetchInputsAndOutputs: true);
        var token = http.Request.Headers[ContinuationHeader].FirstOrDefault();
        try
        {
            await foreach (var page in Client.GetAllInstancesAsync(query).AsPages(token, top).WithCancellation(cancel).ConfigureAwait(false))
            {
                if (page.ContinuationToken is { } next)
                {
                    http.Response.Headers[ContinuationHeader] = next;
                }

                return Results.Json(page.Values.Select(m => StatusBody.Of(m, null, false, showInput)).ToList());
            }
        }
        catch (ArgumentException)
        {
            return Results.BadRequest();
        }

        return Results.Json(Array.Empty<object>());
    }

    private async Task<IResult> RaiseAsync(string id, string eventName, HttpContext http, CancellationToken cancel)
    {
        using var reader = new StreamReader(http.Request.Body);
        var text = await reader.ReadToEndAsync(cancel).ConfigureAwait(false);
        System.Text.Json.Nodes.JsonNode? payload;
        try
        {
            payload = text.Length == 0 ? null : System.Text.Json.Nodes.JsonNode.Parse(text);
        }
        catch (System.Text.Json.JsonException exception)
        {
            return Results.Problem($"The event's payload is not JSON: {exception.Message}", statusCode: StatusCodes.Status400BadRequest);
        }

        return await CommandAsync(id, client => client.RaiseEventAsync(id, eventName, payload, cancel), cancel).ConfigureAwait(false);
    }

    private async Task<IResult> CommandAsync(string id, Func<DurableTaskClient, Task> command, CancellationToken cancel)
    {
        var metadata = await Client.GetInstancesAsync(id, false, cancel).ConfigureAwait(false);
        if (metadata is null)
        {
            return Results.NotFound();
        }

        if (metadata.IsCompleted)
        {
            return Results.StatusCode(StatusCodes.Status410Gone);
        }

        await command(Client).ConfigureAwait(false);
        return Results.StatusCode(StatusCodes.Status202Accepted);
    }

    private async Task<IResult> RestartAsync(string id, HttpContext http, CancellationToken cancel, bool restartWithNewInstanceId = true)
    {
        try
        {
            return Accepted(await Client.RestartAsync(id, restartWithNewInstanceId, cancel).ConfigureAwait(false), http);
        }
        catch (ArgumentException)
        {
            return Results.NotFound();
        }
        catch (InvalidOperationException exception)
        {
            return Results.Problem(exception.Message, statusCode: StatusCodes.Status409Conflict);
        }
    }

    private async Task<IResult> StartAsync(string name, string? id, HttpContext http, CancellationToken cancel)
    {
        using var reader = new StreamReader(http.Request.Body);
        var text = await reader.ReadToEndAsync(cancel).ConfigureAwait(false);
        try
        {
            var input = text.Length == 0 ? null : serializer.Deserialize(text, typeof(System.Text.Json.Nodes.JsonNode));
            var started = await Client.ScheduleNewOrchestrationInstanceAsync(name, input, new StartOrchestrationOptions(id), cancel).ConfigureAwait(false);
            return Accepted(started, http);
        }
        catch (DurableTask.Core.Exceptions.OrchestrationAlreadyExistsException exception)
        {
            return Results.Problem(exception.Message, statusCode: StatusCodes.Status409Conflict);
        }
        catch (Exception exception) when (exception is System.Text.Json.JsonException or ArgumentException)
        {
            return Results.Problem(exception.Message, statusCode: StatusCodes.Status400BadRequest);
        }
    }

    private IResult Accepted(string id, HttpContext http)
    {
        var payload = urls.PayloadFor(id, http.Request);
        http.Response.Headers.Location = payload.StatusQueryGetUri;
        http.Response.Headers.RetryAfter = "10";
        return Results.Json(payload, statusCode: StatusCodes.Status202Accepted);
    }

    private async Task<IResult> PurgeAsync(string id, CancellationToken cancel)
    {
        var purged = await Client.PurgeInstanceAsync(id, cancellation: cancel).ConfigureAwait(false);
        return purged.PurgedInstanceCount == 0 ? Results.NotFound() : Results.Json(new { instancesDeleted = purged.PurgedInstanceCount });
    }

    private async Task<IResult> PurgeAllAsync(
        CancellationToken cancel, string? runtimeStatus = null, string? createdTimeFrom = null, string? createdTimeTo = null)
    {
        // Without a beginning everything would go; the documented call demands one.
        if (createdTimeFrom is null || !TryReadFilter(runtimeStatus, createdTimeFrom, createdTimeTo, out var statuses, out var from, out var to))
        {
            return Results.BadRequest();
        }

        var purged = await Client.PurgeAllInstancesAsync(new PurgeInstancesFilter(from, to, statuses), cancel).ConfigureAwait(false);
        return purged.PurgedInstanceCount == 0 ? Results.NotFound() : Results.Json(new { instancesDeleted = purged.PurgedInstanceCount });
    }

    private static bool TryReadFilter(
        string? runtimeStatus,
        string? createdTimeFrom,
        string? createdTimeTo,
        out List<OrchestrationRuntimeStatus>? statuses,
        out DateTimeOffset? from,
        out DateTimeOffset? to)
    {
        statuses = null;
        to = null;
        if (!TryReadTime(createdTimeFrom, out from) || !TryReadTime(createdTimeTo, out to))
        {
            return false;
        }

        foreach (var name in runtimeStatus?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [])
        {
            if (!Enum.TryParse<OrchestrationRuntimeStatus>(name, ignoreCase: true, out var status))
            {
                return false;
            }

            (statuses ??= []).Add(status);
        }

        return true;
    }

    public static bool TryReadTime(string? text, out DateTimeOffset? time)
    {
        time = null;
        if (string.IsNullOrEmpty(text))
        {
            return true;
        }

        if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var parsed))
        {
            return false;
        }

        time = parsed;
        return true;
    }
}
