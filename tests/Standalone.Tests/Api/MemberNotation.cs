using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Backup.Standalone.Tests.Api;

/// <summary>Writes types and members as the list of documented members does.</summary>
internal static class MemberNotation
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(object)] = "object",
        [typeof(string)] = "string",
        [typeof(bool)] = "bool",
        [typeof(int)] = "int",
        [typeof(long)] = "long",
        [typeof(double)] = "double",
    };

    /// <summary>The name by which the list knows a type: generic parameters by name, nested types with their outer type.</summary>
    public static string KeyOf(Type type) => $"{type.Namespace}.{NameOf(type)}";

    /// <summary>Kind, name and base of a type, without what only its implementation knows.</summary>
    public static string HeaderOf(Type type)
    {
        if (typeof(Delegate).IsAssignableFrom(type))
        {
            var invoke = type.GetMethod("Invoke")!;
            return $"public delegate {NameOf(invoke.ReturnType)} {NameOf(type)}({Parameters(invoke)});";
        }

        var isRecord = type.GetMethod("<Clone>$") is not null;
        var kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            { IsValueType: true } => "struct",
            { IsAbstract: true, IsSealed: true } => "static class",
            { IsAbstract: true } => "abstract class",
            { IsSealed: true } => isRecord ? "sealed record" : "sealed class",
            _ => isRecord ? "record" : "class",
        };
        return $"public {kind} {NameOf(type)}";
    }

    /// <summary>The base type and interfaces a type's header may name.</summary>
    public static IEnumerable<string> BasesOf(Type type) =>
        type.GetInterfaces().Select(NameOf).Concat(type.BaseType is { } parent ? [NameOf(parent)] : []);

    /// <summary>Every public and protected member that a type declares.</summary>
    public static IEnumerable<string> MembersOf(Type type)
    {
        if (type.IsEnum)
        {
            return type.GetFields(BindingFlags.Public | BindingFlags.Static)
                .Select(f => string.Create(CultureInfo.InvariantCulture, $"{f.Name} = {Convert.ToInt32(f.GetRawConstantValue(), CultureInfo.InvariantCulture)},"));
        }

        return type.GetConstructors(Declared).Where(IsVisible).Select(c => $"{(type.IsAbstract ? "protected" : Access(c))} {PlainName(type)}({Parameters(c)});")
            .Concat(type.GetProperties(Declared).Where(p => p.GetAccessors(true).Any(IsVisible)).Select(p => Property(type, p)))
            .Concat(type.GetMethods(Declared).Where(m => IsVisible(m) && (!m.IsSpecialName || m.Name.StartsWith("op_", StringComparison.Ordinal)))
                .Select(m => Method(type, m)))
            .Concat(type.GetFields(Declared).Where(f => f.IsPublic).Select(Field))
            .Concat(type.IsValueType ? [$"public {PlainName(type)}();"] : []);
    }

    private static string Method(Type type, MethodInfo method)
    {
        var prefix = type.IsInterface ? string.Empty : $"{Access(method)} {Modifier(method)}";
        var generic = method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(a => a.Name))}>" : string.Empty;
        return $"{prefix}{NameOf(method.ReturnType)} {method.Name}{generic}({Parameters(method)}){Constraints(method)};";
    }

    private static string Property(Type type, PropertyInfo property)
    {
        var accessors = property.GetAccessors(true).Where(IsVisible).ToArray();
        var widest = accessors.FirstOrDefault(a => a.IsPublic) ?? accessors[0];
        var prefix = type.IsInterface ? string.Empty : $"{Access(widest)} {Modifier(widest)}";
        var get = property.GetMethod is { } getter && IsVisible(getter) ? " get;" : string.Empty;
        var set = property.SetMethod is { } setter && IsVisible(setter)
            ? setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ? " init;" : " set;"
            : string.Empty;
        return $"{prefix}{NameOf(property.PropertyType)} {property.Name} {{{get}{set} }}";
    }

    private static string Field(FieldInfo field) => field.IsLiteral
        ? $"public const {NameOf(field.FieldType)} {field.Name} = {Literal(field.GetRawConstantValue())};"
        : $"public {(field.IsStatic ? "static " : string.Empty)}{(field.IsInitOnly ? "readonly " : string.Empty)}{NameOf(field.FieldType)} {field.Name};";

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Access(MethodBase method) => method.IsPublic ? "public" : "protected";

    private static string Modifier(MethodInfo method) => method switch
    {
        { IsStatic: true } => "static ",
        { IsAbstract: true } => "abstract ",
        _ when method.GetBaseDefinition().DeclaringType != method.DeclaringType => "override ",
        { IsVirtual: true, IsFinal: false } => "virtual ",
        _ => string.Empty,
    };

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select((p, i) =>
        (i == 0 && method.IsDefined(typeof(ExtensionAttribute), false) ? "this " : string.Empty)
        + (p.IsDefined(typeof(ParamArrayAttribute)) ? "params " : string.Empty)
        + (p.IsOut ? "out " : string.Empty)
        + $"{NameOf(p.ParameterType)} {p.Name}"
        + (p.HasDefaultValue ? $" = {Literal(p.DefaultValue)}" : string.Empty)));

    private static string Constraints(MethodInfo method) => string.Concat((method.IsGenericMethod ? method.GetGenericArguments() : [])
        .Select(a => (a.Name, Of: ((a.GenericParameterAttributes & GenericParameterAttributes.ReferenceTypeConstraint) != 0 ? ["class"] : Array.Empty<string>())
            .Concat(a.GetGenericParameterConstraints().Select(NameOf)).ToArray()))
        .Where(a => a.Of.Length > 0)
        .Select(a => $" where {a.Name} : {string.Join(", ", a.Of)}"));

    private static string Literal(object? value) => value switch
    {
        null => "default",
        true => "true",
        false => "false",
        string text => $"\"{text}\"",
        Enum => Convert.ToInt32(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string PlainName(Type type) => type.Name.Split('`')[0];

    private static string NameOf(Type type)
    {
        if (Keywords.TryGetValue(type, out var keyword))
        {
            return keyword;
        }

        if (type.IsByRef)
        {
            return NameOf(type.GetElementType()!);
        }

        if (type.IsArray)
        {
            return NameOf(type.GetElementType()!) + "[]";
        }

        if (Nullable.GetUnderlyingType(type) is { } underlying)
        {
            return NameOf(underlying) + "?";
        }

        var name = PlainName(type);
        if (type.IsGenericType)
        {
            name += $"<{string.Join(", ", type.GetGenericArguments().Select(NameOf))}>";
        }

        return type.IsNested && !type.IsGenericParameter ? $"{NameOf(type.DeclaringType!)}.{name}" : name;
    }
}
