namespace Backup.Relay;

/// <summary>The path of a hybrid connection within its namespace: one or more segments, such as <c>agents/lab-agent-1</c>. Compared without case.</summary>
public readonly record struct EntityPath
{
    /// <summary>The longest path, in characters.</summary>
    public const int LengthMax = 260;

    private readonly string? _value;

    private EntityPath(string value) => _value = value;

    /// <summary>The path as written, without slashes at the ends.</summary>
    public string Value => _value ?? throw new InvalidOperationException("This EntityPath was never given a value.");

    /// <summary>How many segments it has.</summary>
    public int SegmentCount => Value.Count(c => c == '/') + 1;

    /// <summary>The path as it stands in an address.</summary>
    internal string Escaped => string.Join('/', Value.Split('/').Select(Uri.EscapeDataString));

    /// <summary>Reads a path.</summary>
    /// <exception cref="RelayException">It is empty, too long, or has an empty, <c>.</c> or <c>..</c> segment or a control character.</exception>
    public static EntityPath Parse(string text)
    {
        var valid = text is { Length: > 0 and <= LengthMax } && !text.Any(char.IsControl)
            && text.Split('/').All(segment => segment is not ("" or "." or "..") && segment != "$hc") && !text.Contains('\\', StringComparison.Ordinal);
        return valid
            ? new EntityPath(text)
            : throw new RelayException(RelayFault.Configuration, $"'{text}' is not a hybrid connection's path.", "Write segments separated by single slashes, such as agents/lab-agent-1.");
    }

    /// <inheritdoc/>
    public bool Equals(EntityPath other) => string.Equals(_value, other._value, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override int GetHashCode() => StringComparer.OrdinalIgnoreCase.GetHashCode(_value ?? "");

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}
