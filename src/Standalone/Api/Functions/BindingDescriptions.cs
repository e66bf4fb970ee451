namespace Microsoft.Azure.Functions.Worker.Extensions.Abstractions;

/// <summary>Names what a binding can do.</summary>
/// <param name="capabilities">The capabilities, of <see cref="KnownBindingCapabilities"/>.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class BindingCapabilitiesAttribute(params string[] capabilities) : Attribute
{
    /// <summary>The capabilities.</summary>
    public string[] Capabilities { get; } = capabilities;
}

/// <summary>The name a binding's property has in the Functions host.</summary>
/// <param name="bindingPropertyName">The name.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class BindingPropertyNameAttribute(string bindingPropertyName) : Attribute
{
    /// <summary>The name.</summary>
    public string BindingPropertyName { get; } = bindingPropertyName;
}

/// <summary>Whether a trigger hands over one thing or many.</summary>
public enum Cardinality
{
    /// <summary>Many.</summary>
    Many = 0,

    /// <summary>One.</summary>
    One = 1,
}

/// <summary>The value a binding's property has where nothing is set.</summary>
[AttributeUsage(AttributeTargets.Property)]
public class DefaultValueAttribute : Attribute
{
    /// <summary>A text.</summary>
    public DefaultValueAttribute(string stringDefault) => DefaultStringValue = stringDefault;

    /// <summary>A flag.</summary>
    public DefaultValueAttribute(bool boolDefault) => DefaultBoolValue = boolDefault;

    /// <summary>The text; null: it is a flag.</summary>
    public string? DefaultStringValue { get; }

    /// <summary>The flag; null: it is a text.</summary>
    public bool? DefaultBoolValue { get; }
}

/// <summary>Names the package of the Functions host that serves an assembly's bindings. The standalone host needs none.</summary>
[AttributeUsage(AttributeTargets.Assembly)]
public class ExtensionInformationAttribute : Attribute
{
    /// <summary>A package that is not registered by itself.</summary>
    public ExtensionInformationAttribute(string extensionPackage, string extensionVersion)
        : this(extensionPackage, extensionVersion, false)
    {
    }

    /// <summary>A package.</summary>
    public ExtensionInformationAttribute(string extensionPackage, string extensionVersion, bool enableImplicitRegistration)
    {
        ExtensionPackage = extensionPackage;
        ExtensionVersion = extensionVersion;
        EnableImplicitRegistration = enableImplicitRegistration;
    }

    /// <summary>The package.</summary>
    public string ExtensionPackage { get; }

    /// <summary>Its version.</summary>
    public string ExtensionVersion { get; }

    /// <summary>Whether it is registered even where none of its bindings is used.</summary>
    public bool EnableImplicitRegistration { get; }
}

/// <summary>A trigger that can hand over many things at once.</summary>
public interface ISupportCardinality
{
    /// <summary>One or many.</summary>
    Cardinality Cardinality { get; set; }
}

/// <summary>The capabilities a binding may name.</summary>
public static class KnownBindingCapabilities
{
    /// <summary>Functions with it may have a retry policy.</summary>
    public const string FunctionLevelRetry = "FunctionLevelRetry";
}

/// <summary>The binding's value is fetched by the worker and not by the Functions host.</summary>
[AttributeUsage(AttributeTargets.Class)]
public class SupportsDeferredBindingAttribute : Attribute;
