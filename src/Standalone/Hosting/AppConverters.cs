using System.Reflection;
using Backup.Standalone.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Converters;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Backup.Standalone.Hosting;

#pragma warning disable CA2007 // The same path runs orchestrators, whose continuations belong on the turn's own context.

/// <summary>The app's own converters of parameters.</summary>
internal sealed class AppConverters(IOptions<WorkerOptions> options)
{
    /// <summary>The converters to ask: the one a parameter or its type names, then those of the worker's options.</summary>
    public IReadOnlyList<IInputConverter> Of(ParameterInfo parameter, InvocationContext context)
    {
        var named = parameter.GetCustomAttribute<InputConverterAttribute>() ?? parameter.ParameterType.GetCustomAttribute<InputConverterAttribute>();
        var types = named is not null && typeof(IInputConverter).IsAssignableFrom(named.ConverterType)
            ? options.Value.InputConverters.Prepend(named.ConverterType)
            : options.Value.InputConverters;
        return [.. types.Select(t => (IInputConverter)ActivatorUtilities.GetServiceOrCreateInstance(context.InstanceServices, t))];
    }

    /// <returns>Whether a converter has taken it on, and the value it gave.</returns>
    /// <exception cref="FunctionInputConverterException">The converter that took it on failed.</exception>
    public static async ValueTask<(bool Handled, object? Value)> ConvertAsync(
        IReadOnlyList<IInputConverter> converters, ParameterInfo parameter, InvocationContext context)
    {
        foreach (var converter in converters)
        {
            var result = await converter.ConvertAsync(new Conversion(parameter, context));
            switch (result.Status)
            {
                case ConversionStatus.Succeeded:
                    return (true, result.Value);
                case ConversionStatus.Failed:
                    throw new FunctionInputConverterException($"The converter {converter.GetType()} failed for the parameter '{parameter.Name}'.", result.Error);
            }
        }

        return (false, null);
    }

    private sealed class Conversion(ParameterInfo parameter, InvocationContext context) : ConverterContext
    {
        public override Type TargetType => parameter.ParameterType;

        public override object? Source => parameter != context.Function.TriggerParameter
            ? context.BindingContext.BindingData.GetValueOrDefault(parameter.Name!)
            : context.TriggerValue switch
            {
                HttpContext http => new RequestData(http, context),
                ActivityInput activity => activity.Input,
                var other => other,
            };

        public override FunctionContext FunctionContext => context;

        public override IReadOnlyDictionary<string, object> Properties { get; } = new Dictionary<string, object>();
    }
}
