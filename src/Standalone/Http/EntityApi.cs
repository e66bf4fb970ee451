using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Backup.Standalone.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Client.Entities;
using Microsoft.DurableTask.Entities;

namespace Backup.Standalone.Http;

/// <summary>Entities over HTTP, as Durable Functions documents it; part of the management API.</summary>
internal sealed class EntityApi(IDurableTaskClientProvider clients, PayloadSerializer serializer)
{
    private const string TimeFormat = "yyyy-MM-ddTHH:mm:ss.fffffffZ";

    private DurableEntityClient Entities => clients.GetClient().Entities;

    public void Map(IEndpointRouteBuilder api)
    {
        api.MapGet("/entities", (HttpContext http, CancellationToken cancel) => ListAsync(http, null, cancel));
        api.MapGet("/entities/{name}", (string name, HttpContext http, CancellationToken cancel) => ListAsync(http, name, cancel));
        api.MapGet("/entities/{name}/{key}", StateAsync);
        api.MapPost("/entities/{name}/{key}", SignalAsync);
    }

    private async Task<IResult> StateAsync(string name, string key, CancellationToken cancel) =>
        await Entities.GetEntityAsync(new EntityInstanceId(name, key), cancel).ConfigureAwait(false) is { } entity
            ? Results.Json(StatusBody.Parse(entity.State.Value))
            : Results.NotFound();

    private async Task<IResult> SignalAsync(string name, string key, HttpContext http, CancellationToken cancel, string? op = null)
    {
        using var reader = new StreamReader(http.Request.Body);
        var text = await reader.ReadToEndAsync(cancel).ConfigureAwait(false);
        try
        {
            var input = text.Length == 0 ? null : serializer.Deserialize(text, typeof(JsonNode));
            await Entities.SignalEntityAsync(new EntityInstanceId(name, key), op ?? string.Empty, input, cancellation: cancel).ConfigureAwait(false);
            return Results.StatusCode(StatusCodes.Status202Accepted);
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            return Results.Problem(exception.Message, statusCode: StatusCodes.Status400BadRequest);
        }
    }

    private async Task<IResult> ListAsync(HttpContext http, string? name, CancellationToken cancel)
    {
        var asked = http.Request.Query;
        if (!ManagementApi.TryReadTime(asked["lastOperationTimeFrom"], out var from) || !ManagementApi.TryReadTime(asked["lastOperationTimeTo"], out var to)
            || !TryReadCount(asked["top"], out var top) || name?.Contains('@', StringComparison.Ordinal) == true)
        {
            return Results.BadRequest();
        }

        var fetchState = string.Equals(asked["fetchState"], "true", StringComparison.OrdinalIgnoreCase);
        var query = new EntityQuery
        {
            InstanceIdStartsWith = name is null ? null : $"@{name}@",
            LastModifiedFrom = from,
            LastModifiedTo = to,
            IncludeState = fetchState,
            PageSize = top,
            ContinuationToken = http.Request.Headers[ManagementApi.ContinuationHeader].FirstOrDefault(),
        };
        await foreach (var page in Entities.GetAllEntitiesAsync(query).AsPages().WithCancellation(cancel).ConfigureAwait(false))
        {
            if (page.ContinuationToken is { } next)
            {
                http.Response.Headers[ManagementApi.ContinuationHeader] = next;
            }

            return Results.Json(page.Values.Select(Body).ToList());
        }

        return Results.Json(Array.Empty<object>());
    }

    private static JsonObject Body(EntityMetadata entity) => new()
    {
        ["entityId"] = new JsonObject { ["key"] = entity.Id.Key, ["name"] = entity.Id.Name },
        ["lastOperationTime"] = entity.LastModifiedTime.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture),
        ["state"] = entity.IncludesState ? StatusBody.Parse(entity.State.Value) : null,
    };

    private static bool TryReadCount(string? text, out int? count)
    {
        count = null;
        if (string.IsNullOrEmpty(text))
        {
            return true;
        }

        var read = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0;
        count = number;
        return read;
    }
}
