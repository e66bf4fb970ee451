using Backup.AgentApi;

namespace Backup.Agent.Access;

/// <summary>
/// What the agent's owner allows, whoever orders: sources below certain roots are read, and restores write below certain roots.
/// Paths are judged by where they really lead.
/// </summary>
/// <remarks>
/// Bounds the control plane, not local users: one who may swap a folder for a link between this check and the work can already
/// write there as themselves.
/// </remarks>
internal sealed class PathGuard(IReadOnlyList<string> allowedSources, IReadOnlyList<string> restoreRoots)
{
    /// <summary>Null when the path may be backed up, otherwise why not.</summary>
    public Failure? RefuseSource(string path)
    {
        // The path itself may be a link: sources store such a link and do not follow it.
        return Refuse(path, allowedSources, followLast: false, "allowedSources") ?? (Path.Exists(path) || new FileInfo(path).LinkTarget is not null
            ? null
            : new Failure
            {
                Code = FailureCode.SourceMissing,
                Message = $"There is no {path} on the agent's machine.",
                Hint = "Correct the asset's paths in the policy, or mount the file system that holds it.",
            });
    }

    /// <summary>Null when a restore may write there, otherwise why not.</summary>
    public Failure? RefuseTarget(string path) => Refuse(path, restoreRoots, followLast: true, "restoreRoots");

    private static Failure? Refuse(string path, IReadOnlyList<string> roots, bool followLast, string setting)
    {
        if (!Path.IsPathRooted(path) || path.Split('/').Contains(".."))
        {
            return NotAllowed($"{path} is not an absolute path free of '..'.", "Write the path in full.");
        }

        try
        {
            var real = RealPath.Resolve(path, followLast);
            return roots.Any(root => IsWithin(real, RealPath.Resolve(root, followLast: true)))
                ? null
                : NotAllowed(
                    real == Path.TrimEndingDirectorySeparator(path) ? $"The agent may not use {path}." : $"The agent may not use {path}, which leads to {real}.",
                    $"The owner of the agent's machine can add a root to '{setting}' in the agent's configuration.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return NotAllowed($"{path} cannot be judged: {e.Message}", "Check the path on the agent's machine.");
        }
    }

    private static bool IsWithin(string path, string root) =>
        root == "/" || path == root || (path.StartsWith(root, StringComparison.Ordinal) && path[root.Length] == '/');

    private static Failure NotAllowed(string message, string hint) => new() { Code = FailureCode.PathNotAllowed, Message = message, Hint = hint };
}
