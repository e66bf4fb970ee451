namespace Backup.AgentApi;

/// <summary>Collects broken rules, all at once. Texts name fields, never values, because values may be secret.</summary>
internal sealed class ContractCheck
{
    public const int NameCharsMax = 128;
    public const int PathCharsMax = 32 * 1024;
    public const int TextCharsMax = 4 * 1024;
    public const int ListItemsMax = 10_000;

    private readonly List<string> _faults = [];

    public IReadOnlyList<string> Faults => _faults;

    public void That(bool holds, string rule)
    {
        if (!holds) _faults.Add(rule);
    }

    public void Name(string? value, string field) =>
        That(value is { Length: > 0 and <= NameCharsMax } && !value.Any(char.IsControl), $"'{field}' must be 1 to {NameCharsMax} printable characters");

    public void Path(string? value, string field) =>
        That(value is { Length: > 0 and <= PathCharsMax } && !value.Contains('\0', StringComparison.Ordinal), $"'{field}' must be a path of 1 to {PathCharsMax} characters");

    public void Text(string? value, string field) =>
        That(value is { Length: <= TextCharsMax }, $"'{field}' must be at most {TextCharsMax} characters");

    public void Items<T>(IReadOnlyCollection<T>? value, string field, Action<T> each)
    {
        That(value is { Count: <= ListItemsMax }, $"'{field}' must hold at most {ListItemsMax} items");
        if (value is { Count: <= ListItemsMax })
            foreach (var item in value)
            {
                // JSON may hold null where no annotation is looked at.
                if (item is null) That(false, $"'{field}' must not hold null");
                else each(item);
            }
    }

    public void HttpsOrLoopback(Uri? value, string field) =>
        That(value is { IsAbsoluteUri: true } && (value.Scheme == Uri.UriSchemeHttps || (value.Scheme == Uri.UriSchemeHttp && value.IsLoopback)),
            $"'{field}' must be an https address (http only on this machine)");

    public void Secret(SecretText? value, string field) =>
        That(value is not null && value.Reveal().Length is > 0 and <= TextCharsMax, $"'{field}' must be 1 to {TextCharsMax} characters");
}
