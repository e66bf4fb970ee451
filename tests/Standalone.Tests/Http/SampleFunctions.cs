using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Converters;
using Microsoft.Azure.Functions.Worker.Http;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.DurableTask.Entities;

namespace Backup.Standalone.Tests.Http;

public sealed record Order(string Item, int Count);

public sealed class TimerLedger
{
    public ConcurrentQueue<(string Function, TimerInfo Info)> Firings { get; } = new();
}

/// <summary>The state of a basket, whose methods are its operations.</summary>
public sealed class BasketState
{
    public List<Order> Orders { get; set; } = [];

    public void Put(Order order) => Orders.Add(order);

    public int Count() => Orders.Sum(o => o.Count);
}

/// <summary>What a converter registered for the whole app makes.</summary>
public sealed record Caller(string Name);

public sealed class CallerConverter : IInputConverter
{
    public ValueTask<ConversionResult> ConvertAsync(ConverterContext context) => new(
        context.TargetType == typeof(Caller) ? ConversionResult.Success(new Caller(context.FunctionContext.FunctionDefinition.Name)) : ConversionResult.Unhandled());
}

public sealed class Backwards : IInputConverter
{
    public ValueTask<ConversionResult> ConvertAsync(ConverterContext context) =>
        new(ConversionResult.Success(new string([.. ((string)context.Source!).Reverse()])));
}

/// <summary>Functions as an app of the isolated worker writes them.</summary>
public sealed class SampleFunctions(TimeProvider time)
{
    [Function("Hello")]
    public IActionResult Hello([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "hello/{name:alpha}")] HttpRequest request, string name) =>
        new OkObjectResult(new { greeting = $"Hello, {name}", year = time.GetUtcNow().Year > 2000, agent = request.Headers.UserAgent.Count });

    [Function("Number")]
    public static IResult Number(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", "put", Route = "numbers/{id:int}")] HttpRequest request, int id, FunctionContext context) =>
        Results.Json(new { id, request.Method, function = context.FunctionDefinition.Name }, statusCode: 201);

    [Function("Secret")]
    public static string Secret([HttpTrigger(AuthorizationLevel.Function, "get")] HttpRequest request) => $"open {request.Path}";

    [Function("Admin")]
    public static string Admin([HttpTrigger(AuthorizationLevel.Admin, "get")] HttpRequest request) => $"open {request.Path}";

    [Function("Body")]
    public static async Task<Order> Body(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post")] HttpRequest request,
        [Microsoft.Azure.Functions.Worker.Http.FromBody] Order order,
        CancellationToken cancellationToken)
    {
        await Task.Yield();
        cancellationToken.ThrowIfCancellationRequested();
        return order with { Count = order.Count + (request.HasJsonContentType() ? 1 : 0) };
    }

    [Function("Broken")]
    public static IActionResult Broken([HttpTrigger(AuthorizationLevel.Anonymous, "get")] HttpRequest request) =>
        throw new InvalidOperationException(request.Path);

    [Function("Nothing")]
    public static Task Nothing([HttpTrigger(AuthorizationLevel.Anonymous, "get")] HttpRequest request) => Task.FromResult(request);

    [Function("Start")]
    public static async Task<IActionResult> Start(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post")] HttpRequest request, [DurableClient] DurableTaskClient client)
    {
        var id = await client.ScheduleNewOrchestrationInstanceAsync(nameof(Shout), new Order("tea", request.Query.Count));
        return new AcceptedResult((string?)null, client.CreateHttpManagementPayload(id));
    }

    [Function("StartData")]
    public static async Task<HttpResponseData> StartData(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post")] HttpRequestData request, [DurableClient] DurableTaskClient client)
    {
        var id = await client.ScheduleNewOrchestrationInstanceAsync(nameof(Shout), new Order("tea", 3));
        return await client.CreateCheckStatusResponseAsync(request, id);
    }

    [Function(nameof(Shout))]
    public static async Task<string> Shout([OrchestrationTrigger] TaskOrchestrationContext context, Order order)
    {
        var upper = await context.CallActivityAsync<string>(nameof(Upper), order);
        return $"{upper} {order.Count} {context.GetInput<Order>()!.Item}";
    }

    [Function(nameof(Upper))]
    public static string Upper([ActivityTrigger] Order order, FunctionContext context, string instanceId) =>
        instanceId.Length > 0 && context.CancellationToken.CanBeCanceled ? order.Item.ToUpperInvariant() : string.Empty;

    [Function(nameof(CallsHttp))]
    public static async Task<string> CallsHttp([OrchestrationTrigger] TaskOrchestrationContext context, string address)
    {
        var response = await context.CallHttpAsync(HttpMethod.Get, new Uri(new Uri(address), "api/Later"));
        return $"{(int)response.StatusCode} {response.Content}";
    }

    [Function("Later")]
    public static IResult Later([HttpTrigger(AuthorizationLevel.Anonymous, "get")] HttpRequest request)
    {
        request.HttpContext.Response.Headers.Location = "/api/numbers/7";
        request.HttpContext.Response.Headers.RetryAfter = "0";
        return Results.StatusCode(202);
    }

    [Function(nameof(WaitForGo))]
    public static async Task<string> WaitForGo([OrchestrationTrigger] TaskOrchestrationContext context)
    {
        context.SetCustomStatus("waiting");
        return await context.WaitForExternalEvent<string>("go");
    }

    [Function(nameof(Fails))]
    public static Task Fails([OrchestrationTrigger] TaskOrchestrationContext context) =>
        throw new InvalidOperationException($"{context.Name} broke");

    [Function(nameof(Basket))]
    public static Task Basket([EntityTrigger] TaskEntityDispatcher dispatcher) => dispatcher.DispatchAsync<BasketState>();

    [Function("Tally")]
    public static Task Tally([EntityTrigger(EntityName = "tally-sheet")] TaskEntityDispatcher dispatcher) => dispatcher.DispatchAsync(operation =>
    {
        var count = operation.State.GetState(0) + 1;
        operation.State.SetState(count);
        return new(count);
    });

    [Function(nameof(Shopping))]
    public static async Task<int> Shopping([OrchestrationTrigger] TaskOrchestrationContext context)
    {
        var basket = new EntityInstanceId(nameof(Basket), "mine");
        await context.Entities.CallEntityAsync(basket, "Put", new Order("tea", 2));
        await context.Entities.CallEntityAsync(basket, "put", new Order("cups", 6));
        return await context.Entities.CallEntityAsync<int>(basket, "Count") + await context.Entities.CallEntityAsync<int>(new("tally-sheet", "x"), "any");
    }

    [Function("Converted")]
    public static string Converted(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "converted/{word}")] HttpRequest request,
        [InputConverter(typeof(Backwards))] string word,
        Caller caller) => $"{word} {caller.Name} {request.Method}";

    [Function("OnStart")]
    public static void OnStart([TimerTrigger("%Test:Schedule%", RunOnStartup = true)] TimerInfo timer, FunctionContext context) =>
        ((TimerLedger?)context.InstanceServices.GetService(typeof(TimerLedger)))?.Firings.Enqueue(("OnStart", timer));

    [Function("Yearly")]
    public static void Yearly([TimerTrigger("0 0 0 1 1 *")] TimerInfo timer, FunctionContext context) =>
        ((TimerLedger?)context.InstanceServices.GetService(typeof(TimerLedger)))?.Firings.Enqueue(("Yearly", timer));
}
