using Backup.Policy.Parsing;

namespace Backup.Policy;

/// <summary>Reads policy files. Either the whole policy is right, or every problem is reported with its line and column.</summary>
public static class PolicyParser
{
    /// <summary>Reads and checks a policy file.</summary>
    /// <exception cref="PolicyException">The file cannot be read, is over <see cref="PolicyLimits.FileBytesMax"/>, or is wrong.</exception>
    public static async Task<PolicyDocument> LoadAsync(string path, CancellationToken cancel)
    {
        string text;
        try
        {
            if (new FileInfo(path).Length > PolicyLimits.FileBytesMax)
            {
                throw new PolicyException(PolicyFault.Unreadable, $"The policy file {path} is larger than {PolicyLimits.FileBytesMax} bytes.", "A policy of that size is a mistake; check the path.", []);
            }

            text = await File.ReadAllTextAsync(path, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PolicyException(PolicyFault.Unreadable, $"The policy file {path} cannot be read: {e.Message}", "Set Policy:File to a YAML file that this process may read.", [], e);
        }

        return Parse(text, path);
    }

    /// <summary>Checks the text of a policy.</summary>
    /// <param name="text">YAML.</param>
    /// <param name="origin">What to call the text in messages, usually its path.</param>
    /// <exception cref="PolicyException">The text is wrong; <see cref="PolicyException.Problems"/> holds every reason.</exception>
    public static PolicyDocument Parse(string text, string origin)
    {
        var problems = new ProblemList();
        var root = YamlTree.Read(text.TrimStart('\uFEFF'), problems);
        var policy = root is null ? null : PolicyBuilder.Build(root, problems);
        if (policy is not null && problems.Count == 0)
        {
            return policy;
        }

        var lines = problems.InFileOrder;
        throw new PolicyException(
            PolicyFault.Invalid,
            $"The policy {origin} has {lines.Count} problem{(lines.Count == 1 ? "" : "s")}:\n{string.Join('\n', lines.Select(p => $"{origin}:{p}"))}",
            "Nothing was started. Correct these lines and start again.",
            lines);
    }
}
