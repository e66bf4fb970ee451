using Backup.Sources.Posix;

namespace Backup.Sources.Files.Scanning;

/// <summary>The paths of a request as one tree: what is between the top and the paths is stored too, but holds only what leads to them.</summary>
internal sealed class PathNode
{
    private readonly SortedDictionary<byte[], PathNode> _children = new(ByteText.Order);

    /// <summary>One of the request's paths: everything below is wanted.</summary>
    internal bool IsWanted { get; private set; }

    internal IEnumerable<KeyValuePair<byte[], PathNode>> Children => _children;

    internal static PathNode Of(IEnumerable<string> paths)
    {
        var top = new PathNode();
        foreach (var path in paths)
        {
            if (!path.StartsWith('/'))
                throw new ArgumentException($"\"{path}\" is not an absolute path.", nameof(paths));
            var node = top;
            foreach (var component in ByteText.Split(ByteText.Encode(path)))
            {
                // What is below a wanted path is wanted already.
                if (node.IsWanted)
                    break;
                if (!node._children.TryGetValue(component, out var child))
                    node._children.Add(component, child = new PathNode());
                node = child;
            }

            node.IsWanted = true;
            node._children.Clear();
        }

        return top;
    }
}
