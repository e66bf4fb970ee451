using System.Text;
using System.Text.RegularExpressions;

namespace Backup.LocalStack.Run;

/// <summary>Something the stack protects, as the policy names it.</summary>
/// <param name="Name">The asset's name in the policy.</param>
/// <param name="Original">The folder, for a file tree; null for a database.</param>
/// <param name="IsSample">Whether its content is ours, so that every byte of a restore can be judged.</param>
internal sealed record ProtectedAsset(string Name, string? Original, bool IsSample)
{
    /// <summary>The vault it goes to, by its name in the agent's configuration.</summary>
    public string Vault { get; init; } = "main";

    /// <summary>Its service class.</summary>
    public string ServiceClass { get; init; } = "research";

    /// <summary>Further keys of it in the policy, as YAML that begins with a comma; none unless given.</summary>
    public string More { get; init; } = "";

    public bool IsDatabase => Original is null;
}

/// <summary>What the stack protects, and the policy file that says so.</summary>
internal static partial class ProtectedAssets
{
    public const string SampleDatabase = "voids-db";
    public const string FitsArchive = "fits-archive";
    public const string HostConfiguration = "host-configuration";
    public const string UserDatabase = "my-postgres";

    /// <summary>What infra/local/policy.yaml has in place of the sample folder.</summary>
    private const string SamplePlaceholder = "/srv/sample";

    private const int NameLengthMax = 40;

    /// <summary>The assets of a start with these options.</summary>
    public static IReadOnlyList<ProtectedAsset> Of(StackOptions options, StackFolders folders)
    {
        List<ProtectedAsset> assets =
        [
            new(SampleDatabase, null, IsSample: true),
            new(FitsArchive, folders.Fits, IsSample: true),
            new(HostConfiguration, folders.Configuration, IsSample: true),
        ];
        assets.AddRange(options.ExtraAssets);
        foreach (var path in options.Protect)
        {
            var name = "my-" + NotKebab().Replace(Path.GetFileName(Path.TrimEndingDirectorySeparator(path)).ToLowerInvariant(), "-").Trim('-');
            name = name.Length <= NameLengthMax ? name.TrimEnd('-') : name[..NameLengthMax].TrimEnd('-');
            var unique = name;
            for (var number = 2; assets.Any(a => a.Name == unique); number++)
            {
                unique = $"{name}-{number}";
            }

            assets.Add(new ProtectedAsset(unique, path, IsSample: false));
        }

        return options.Postgres is null ? assets : [.. assets, new ProtectedAsset(UserDatabase, null, IsSample: false)];
    }

    /// <summary>The policy: the sample of infra/local with the sample's folder filled in, the user's own assets, and further sections.</summary>
    public static string Policy(string sample, StackFolders folders, IEnumerable<ProtectedAsset> assets, string sections = "")
    {
        var policy = new StringBuilder(sample.Replace($"paths: [{SamplePlaceholder}/fits]", $"paths: [{Quoted(folders.Fits)}]", StringComparison.Ordinal)
            .Replace($"paths: [{SamplePlaceholder}/configuration]", $"paths: [{Quoted(folders.Configuration)}]", StringComparison.Ordinal).TrimEnd());
        foreach (var asset in assets.Where(a => !a.IsSample))
        {
            var what = asset.IsDatabase ? $"kind: postgres, connection: {asset.Name}" : $"kind: files, paths: [{Quoted(asset.Original!)}]";
            policy.Append($"\n  - {{ name: {asset.Name}, {what}, agent: {Stack.AgentName}, vault: {asset.Vault}, serviceClass: {asset.ServiceClass}, dataClass: active{asset.More} }}");
        }

        return policy.Append('\n').Append(sections).ToString();
    }

    /// <summary>A text as a YAML double-quoted scalar.</summary>
    public static string Quoted(string text) => '"' + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + '"';

    [GeneratedRegex("[^a-z0-9]+")]
    private static partial Regex NotKebab();
}
