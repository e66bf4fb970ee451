using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Backup.Standalone.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Converters;
using Microsoft.Azure.Functions.Worker.Extensions.Http.Converters;
using Microsoft.Azure.Functions.Worker.Http;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Client;
using Microsoft.Extensions.DependencyInjection;

namespace Backup.Standalone.Hosting;

#pragma warning disable CA2007 // The same path runs orchestrators, whose continuations belong on the turn's own context.

/// <summary>Finds the value of a function's parameter.</summary>
internal sealed class ParameterBinder(PayloadSerializer serializer, AppConverters converters)
{
    /// <summary>Gives an HTTP invocation the feature that reads its body.</summary>
    public void AddFeatures(InvocationContext context)
    {
        if (context.TriggerValue is HttpContext http)
        {
            context.Features.Set<IFromBodyConversionFeature>(new BodyReader(this, http));
        }
    }

    /// <exception cref="FunctionInputConverterException">The value is missing or does not fit.</exception>
    public ValueTask<object?> BindAsync(ParameterInfo parameter, InvocationContext context)
    {
        var own = converters.Of(parameter, context);
        return own.Count == 0 ? BindByHostAsync(parameter, context) : ConvertAsync(own, parameter, context);
    }

    private async ValueTask<object?> ConvertAsync(IReadOnlyList<IInputConverter> own, ParameterInfo parameter, InvocationContext context)
    {
        var (handled, value) = await AppConverters.ConvertAsync(own, parameter, context);
        return handled ? value : await BindByHostAsync(parameter, context);
    }

    private ValueTask<object?> BindByHostAsync(ParameterInfo parameter, InvocationContext context)
    {
        var type = parameter.ParameterType;
        if (parameter.GetCustomAttribute<DurableClientAttribute>() is not null)
        {
            return new(context.InstanceServices.GetRequiredService<IDurableTaskClientProvider>().GetClient());
        }

        if (type == typeof(CancellationToken))
        {
            return new(context.CancellationToken);
        }

        if (type == typeof(FunctionContext))
        {
            return new(context);
        }

        if (context.TriggerValue is HttpContext http)
        {
            return BindHttpAsync(parameter, context, http);
        }

        return parameter == context.Function.TriggerParameter
            ? new(BindTrigger(type, context.TriggerValue))
            : new(BindFurther(parameter, context));
    }

    private static bool IsBody(ParameterInfo parameter) =>
        parameter.GetCustomAttribute<FromBodyAttribute>() is not null
        || parameter.GetCustomAttribute<Microsoft.AspNetCore.Mvc.FromBodyAttribute>() is not null;

    private object? BindTrigger(Type type, object? trigger) => trigger switch
    {
        ActivityInput when type == typeof(TaskActivityContext) => ((ActivityInput)trigger).Context,
        ActivityInput activity => serializer.Deserialize(activity.Input, type),
        TimerInfo timer when type == typeof(string) => JsonSerializer.Serialize(timer),
        _ when type.IsInstanceOfType(trigger) => trigger,
        _ => throw new FunctionInputConverterException($"A trigger cannot be bound to a parameter of the type {type}."),
    };

    private static object? BindFurther(ParameterInfo parameter, InvocationContext context) => context.TriggerValue switch
    {
        TaskOrchestrationContext orchestration => orchestration.GetType().GetMethod(nameof(TaskOrchestrationContext.GetInput))!
            .MakeGenericMethod(parameter.ParameterType).Invoke(orchestration, BindingFlags.DoNotWrapExceptions, null, null, null),
        ActivityInput activity when parameter.ParameterType == typeof(TaskActivityContext) => activity.Context,
        _ => FromBindingData(parameter, context),
    };

    private static object? FromBindingData(ParameterInfo parameter, InvocationContext context)
    {
        var type = parameter.ParameterType;
        if (!context.BindingContext.BindingData.TryGetValue(parameter.Name!, out var value) || value is null)
        {
            return parameter.HasDefaultValue ? parameter.DefaultValue
                : type.IsValueType && Nullable.GetUnderlyingType(type) is null
                    ? throw new FunctionInputConverterException($"The parameter '{parameter.Name}' has no value.")
                    : null;
        }

        var target = Nullable.GetUnderlyingType(type) ?? type;
        if (target.IsInstanceOfType(value))
        {
            return value;
        }

        try
        {
            return TypeDescriptor.GetConverter(target).ConvertFromString(null, CultureInfo.InvariantCulture, Convert.ToString(value, CultureInfo.InvariantCulture)!);
        }
        catch (Exception exception) when (exception is NotSupportedException or FormatException or ArgumentException)
        {
            throw new FunctionInputConverterException($"The value of the parameter '{parameter.Name}' is not a {target.Name}.", exception);
        }
    }

    private async ValueTask<object?> BindHttpAsync(ParameterInfo parameter, InvocationContext context, HttpContext http)
    {
        var type = parameter.ParameterType;
        if (type == typeof(HttpRequest))
        {
            return http.Request;
        }

        if (type == typeof(HttpContext))
        {
            return http;
        }

        if (type == typeof(HttpRequestData))
        {
            return new RequestData(http, context);
        }

        if (!IsBody(parameter) && parameter != context.Function.TriggerParameter)
        {
            return FromBindingData(parameter, context);
        }

        return await ReadBodyAsync(type, http).ConfigureAwait(false);
    }

    private async Task<object?> ReadBodyAsync(Type type, HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body);
        var text = await reader.ReadToEndAsync(http.RequestAborted).ConfigureAwait(false);
        if (type == typeof(string))
        {
            return text;
        }

        try
        {
            return text.Length == 0 ? null : serializer.Deserialize(text, type);
        }
        catch (JsonException exception)
        {
            throw new FunctionInputConverterException($"The request's body is not a valid {type.Name}: {exception.Message}", exception);
        }
    }

    private sealed class BodyReader(ParameterBinder binder, HttpContext http) : IFromBodyConversionFeature
    {
        public async ValueTask<object?> ConvertAsync(FunctionContext context, Type targetType) =>
            await binder.ReadBodyAsync(targetType, http).ConfigureAwait(false);
    }
}
