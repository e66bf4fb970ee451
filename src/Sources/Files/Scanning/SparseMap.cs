using Backup.Sources.Posix;
using Backup.Vault.Snapshots;

namespace Backup.Sources.Files.Scanning;

/// <summary>Where the data of a sparse file is.</summary>
internal static class SparseMap
{
    /// <summary>More stretches than this are joined over their smallest holes: the holes are then stored as zeros, which compress to nothing.</summary>
    internal const int ExtentsMax = 16 * 1024;

    /// <summary>Null for a file without holes, or on a file system that does not tell.</summary>
    internal static List<Extent>? Read(Descriptor file, in FileStatus status)
    {
        if (status.AllocatedBytes >= status.Size || status.Size == 0)
            return null;
        var extents = new List<Extent>();
        long holeBytesMin = 1;
        for (long offset = 0; offset < status.Size;)
        {
            if (file.NextData(offset, status.Size, out var data).IsError)
                return null;
            if (data >= status.Size)
                break;
            if (file.NextHole(data, out var hole).IsError)
                return null;
            var end = Math.Min(hole, status.Size);
            if (extents.Count > 0 && data - End(extents[^1]) < holeBytesMin)
                extents[^1] = extents[^1] with { Length = end - extents[^1].Offset };
            else
                extents.Add(new Extent(data, end - data));
            while (extents.Count > ExtentsMax)
                extents = Join(extents, holeBytesMin *= 2);
            offset = end;
        }

        return extents is [{ Offset: 0 } only] && only.Length == status.Size ? null : extents;
    }

    private static List<Extent> Join(List<Extent> extents, long holeBytesMin)
    {
        var joined = new List<Extent>(extents.Count / 2) { extents[0] };
        foreach (var extent in extents.Skip(1))
        {
            if (extent.Offset - End(joined[^1]) < holeBytesMin)
                joined[^1] = joined[^1] with { Length = End(extent) - joined[^1].Offset };
            else
                joined.Add(extent);
        }

        return joined;
    }

    private static long End(Extent extent) => extent.Offset + extent.Length;
}
