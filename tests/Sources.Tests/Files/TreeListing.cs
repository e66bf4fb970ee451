using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Backup.Sources.Posix;
using Shouldly;

namespace Backup.Sources.Tests.Files;

/// <summary>Says everything about a tree on disk in one line per entry, so that two trees can be compared and a difference reads well.</summary>
internal static class TreeListing
{
    internal static SortedDictionary<string, string> Of(string path)
    {
        SafePath.OpenDirectory(path, out var top).IsError.ShouldBeFalse(path);
        var lines = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var linked = new Dictionary<FileIdentity, string>();
        using (top)
            Add(top!, "", lines, linked);
        return lines;
    }

    /// <summary>Fails with the entries that differ only.</summary>
    internal static void ShouldBeSame(string actual, string expected)
    {
        var (got, wanted) = (Of(actual), Of(expected));
        string[] differences =
        [
            .. wanted.Where(one => got.GetValueOrDefault(one.Key) != one.Value).Select(one => $"{one.Key}: {got.GetValueOrDefault(one.Key, "missing")}, should be {one.Value}"),
            .. got.Keys.Except(wanted.Keys).Select(name => $"{name}: should not be there"),
        ];
        differences.ShouldBeEmpty();
    }

    private static void Add(Descriptor directory, string path, SortedDictionary<string, string> lines, Dictionary<FileIdentity, string> linked)
    {
        DirectoryListing.Read(directory, out var entries).IsError.ShouldBeFalse(path);
        // In an order of its own: the first of several names of a file stands for it, and every disk lists in another order.
        foreach (var entry in entries.OrderBy(entry => Convert.ToHexString(entry.Name), StringComparer.Ordinal))
        {
            var name = path + "/" + ByteText.Display(entry.Name);
            directory.Status(entry.Name, out var status).IsError.ShouldBeFalse(name);
            var line = new StringBuilder();
            line.Append(CultureInfo.InvariantCulture, $"{status.Type} {Convert.ToString(status.Permissions, 8)} {status.User}:{status.Group} {status.ModifiedNanoseconds}");
            ExtendedAttributes.Read(directory, entry.Name, out var attributes).IsError.ShouldBeFalse(name);
            foreach (var attribute in attributes)
                line.Append(CultureInfo.InvariantCulture, $" {ByteText.Display(attribute.Name)}={Convert.ToHexString(attribute.Value)}");
            if (status.Links > 1 && status.Type != FileType.Directory)
            {
                linked.TryAdd(status.Identity, name);
                line.Append(CultureInfo.InvariantCulture, $" same as {linked[status.Identity]}");
            }

            switch (status.Type)
            {
                case FileType.Regular:
                    line.Append(CultureInfo.InvariantCulture, $" {status.Size} {Hash(directory, entry.Name, status.Size)}");
                    break;
                case FileType.SymbolicLink:
                    directory.ReadLink(entry.Name, out var target).IsError.ShouldBeFalse(name);
                    line.Append(" -> ").Append(ByteText.Display(target));
                    break;
                case FileType.CharacterDevice or FileType.BlockDevice:
                    line.Append(CultureInfo.InvariantCulture, $" device {status.NodeMajor}:{status.NodeMinor}");
                    break;
            }

            lines.Add(name, line.ToString());
            if (status.Type != FileType.Directory)
                continue;
            directory.OpenDirectory(entry.Name, out var child).IsError.ShouldBeFalse(name);
            using (child)
                Add(child!, name, lines, linked);
        }
    }

    private static string Hash(Descriptor directory, byte[] name, long size)
    {
        directory.OpenForReading(name, out var file).IsError.ShouldBeFalse();
        using (file)
        using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
        {
            var buffer = new byte[1 << 20];
            for (long offset = 0; offset < size;)
            {
                file!.Read(buffer, offset, out var count).IsError.ShouldBeFalse();
                hash.AppendData(buffer.AsSpan(0, count));
                offset += count;
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 8));
        }
    }
}
