using Backup.Standalone.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Abstractions;
using Microsoft.AspNetCore.Routing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Http;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Http;

/// <summary>Serves HTTP functions: (1) check the key (2) invoke (3) write the result.</summary>
internal sealed class HttpFunctions(FunctionCatalog catalog, FunctionInvoker invoker, AccessKeys keys, HostSettings settings, ILoggerFactory loggers)
{
    private readonly ILogger _logger = loggers.CreateLogger("Backup.Standalone.Http");

    public void Map(IEndpointRouteBuilder endpoints)
    {
        var needsKeys = false;
        foreach (var function in catalog.Functions.Where(f => f.Trigger is HttpTriggerAttribute))
        {
            var trigger = (HttpTriggerAttribute)function.Trigger;
            needsKeys |= trigger.AuthLevel != AuthorizationLevel.Anonymous;
            var route = "/" + string.Join('/', new[] { settings.RoutePrefix, (trigger.Route ?? function.Name).Trim('/') }.Where(p => p.Length > 0));
            if (trigger.Methods is { Length: > 0 } methods)
            {
                endpoints.MapMethods(route, methods.Select(m => m.ToUpperInvariant()), context => ServeAsync(function, trigger, context));
            }
            else
            {
                endpoints.Map(route, context => ServeAsync(function, trigger, context));
            }
        }

        if (needsKeys && !keys.HasFunctionKeys)
        {
            HttpLog.NoKeys(_logger);
        }
    }

    private async Task ServeAsync(FunctionEntry function, HttpTriggerAttribute trigger, HttpContext http)
    {
        if (!keys.Allows(http.Request, trigger.AuthLevel))
        {
            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        try
        {
            var context = new InvocationContext(function, http.RequestServices, BindingData(http), http.RequestAborted) { TriggerValue = http };
            context.Features.Set(http);
            var result = await invoker.InvokeAsync(context).ConfigureAwait(false);
            await WriteAsync(result, http).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            HttpLog.Aborted(_logger, function.Name);
        }
        catch (FunctionInputConverterException exception) when (!http.Response.HasStarted)
        {
            HttpLog.BadRequest(_logger, function.Name, exception.Message);
            await Results.Problem(exception.Message, statusCode: StatusCodes.Status400BadRequest).ExecuteAsync(http).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A failing function answers 500 and is logged; the host goes on.
        catch (Exception exception) when (!http.Response.HasStarted)
#pragma warning restore CA1031
        {
            HttpLog.Failed(_logger, exception, function.Name);
            http.Response.StatusCode = StatusCodes.Status500InternalServerError;
        }
    }

    private static Dictionary<string, object?> BindingData(HttpContext http)
    {
        var data = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in http.Request.Query)
        {
            data[name] = value.ToString();
        }

        foreach (var (name, value) in http.Request.RouteValues)
        {
            data[name] = value;
        }

        return data;
    }

    private static async Task WriteAsync(object? result, HttpContext http)
    {
        // A result object may name the property that is the answer.
        var marked = result?.GetType().GetProperties().FirstOrDefault(p => p.IsDefined(typeof(HttpResultAttribute), inherit: true));
        switch (marked is null ? result : marked.GetValue(result))
        {
            case null when http.Response.HasStarted || http.Response.StatusCode != StatusCodes.Status200OK:
                break;
            case null:
                http.Response.StatusCode = StatusCodes.Status204NoContent;
                break;
            case IActionResult action:
                await ExecuteAsync(action, http).ConfigureAwait(false);
                break;
            case IResult answer:
                await answer.ExecuteAsync(http).ConfigureAwait(false);
                break;
            case HttpResponseData data:
                await ((ResponseData)data).CopyToAsync(http.Response).ConfigureAwait(false);
                break;
            case var value:
                await ExecuteAsync(new ObjectResult(value) { StatusCode = StatusCodes.Status200OK }, http).ConfigureAwait(false);
                break;
        }
    }

    private static Task ExecuteAsync(IActionResult result, HttpContext http) =>
        result.ExecuteResultAsync(new ActionContext(http, http.GetRouteData(), new ActionDescriptor()));
}

/// <summary>Events 4200–4299: HTTP.</summary>
internal static partial class HttpLog
{
    [LoggerMessage(4201, LogLevel.Warning, "There are functions that need a key and no key is configured: they answer 401. Set FunctionKeys:NAME")]
    internal static partial void NoKeys(ILogger logger);

    [LoggerMessage(4202, LogLevel.Information, "{Function}: the client went away")]
    internal static partial void Aborted(ILogger logger, string function);

    [LoggerMessage(4203, LogLevel.Information, "{Function}: bad request: {Reason}")]
    internal static partial void BadRequest(ILogger logger, string function, string reason);

    [LoggerMessage(4204, LogLevel.Error, "{Function}: the function failed")]
    internal static partial void Failed(ILogger logger, Exception exception, string function);
}
