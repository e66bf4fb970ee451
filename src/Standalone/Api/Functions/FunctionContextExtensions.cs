using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Microsoft.Azure.Functions.Worker;

/// <summary>The HTTP side of an invocation.</summary>
public static class FunctionContextExtensions
{
    /// <summary>The request's HTTP context; null when the function was not triggered by HTTP.</summary>
    public static HttpContext? GetHttpContext(this FunctionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Features.Get<HttpContext>();
    }
}

/// <summary>The HTTP side of an invocation without ASP.NET Core's types.</summary>
public static class FunctionContextHttpRequestExtensions
{
    /// <summary>The request; null when the function was not triggered by HTTP.</summary>
    public static ValueTask<HttpRequestData?> GetHttpRequestDataAsync(this FunctionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return new(context.GetHttpContext() is { } http ? new Backup.Standalone.Http.RequestData(http, context) : null);
    }

    /// <summary>The response the function returned, once it has returned one.</summary>
    public static HttpResponseData? GetHttpResponseData(this FunctionContext context) => context.GetInvocationResult().Value as HttpResponseData;
}

/// <summary>Loggers of an invocation.</summary>
public static class FunctionContextLoggerExtensions
{
    /// <summary>A logger of the category of <typeparamref name="T"/>.</summary>
    public static ILogger<T> GetLogger<T>(this FunctionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.InstanceServices.GetRequiredService<ILogger<T>>();
    }

    /// <summary>A logger of a category.</summary>
    public static ILogger GetLogger(this FunctionContext context, string categoryName)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.InstanceServices.GetRequiredService<ILoggerFactory>().CreateLogger(categoryName);
    }
}

/// <summary>The result of an invocation, for middleware.</summary>
public static class FunctionContextBindingFeatureExtensions
{
    /// <summary>Binds an input before the function runs; a value set here is what the function gets.</summary>
    /// <exception cref="ArgumentException">The function has no such input.</exception>
    public static ValueTask<InputBindingData<T>> BindInputAsync<T>(this FunctionContext context, BindingMetadata bindingMetadata)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(bindingMetadata);
        return ((Backup.Standalone.Hosting.InvocationContext)context).BindInputAsync<T>(bindingMetadata);
    }

    /// <summary>What the function puts out besides its result. Functions of the standalone host have a result only.</summary>
    public static IEnumerable<OutputBindingData<T>> GetOutputBindings<T>(this FunctionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return [];
    }

    /// <summary>The result of the function; set its value to replace it.</summary>
    public static InvocationResult GetInvocationResult(this FunctionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Features.Get<InvocationResult>()
            ?? throw new InvalidOperationException("This invocation has no result.");
    }

    /// <summary>The result of the function as a <typeparamref name="T"/>; set its value to replace it.</summary>
    /// <exception cref="InvalidOperationException">The result is not a <typeparamref name="T"/>.</exception>
    public static InvocationResult<T> GetInvocationResult<T>(this FunctionContext context) => new Typed<T>(context.GetInvocationResult());

    private sealed class Typed<T>(InvocationResult inner) : InvocationResult<T>
    {
        public override T? Value
        {
            get => inner.Value switch
            {
                null => default,
                T value => value,
                var other => throw new InvalidOperationException($"The invocation's result is a {other.GetType()}, not a {typeof(T)}."),
            };
            set => inner.Value = value;
        }
    }
}
