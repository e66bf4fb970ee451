using System.Text;
using Backup.LocalStack.Services;

namespace Backup.LocalStack.SampleData;

/// <summary>A host's configuration as real hosts have it: everything a file tree can hold that a careless backup loses.</summary>
internal static class ConfigurationTree
{
    private const long Instant = 1_790_000_000;

    /// <summary>Makes the tree in a folder that does not exist yet.</summary>
    public static void Create(string folder)
    {
        OrdinaryFiles(folder);
        Links(folder);
        OddNames(folder);
        OddFiles(folder);
        Modes(folder);
        // Last, since making an entry changes its folder's time.
        Times(folder);
    }

    private static void OrdinaryFiles(string folder)
    {
        var random = new SeededRandom(0xC0F);
        Text(folder, "pve/storage.cfg", "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n");
        Text(folder, "pve/nodes/node1/qemu-server/101.conf", "cores: 4\nmemory: 8192\nname: catalogue\nscsi0: tank:vm-101-disk-0,size=64G\n");
        for (var host = 0; host < 60; host++)
        {
            Text(folder, $"hosts/host-{host:000}/network.conf", $"address 10.0.{host}.{random.Below(250)}/24\ngateway 10.0.{host}.1\n");
            Text(folder, $"hosts/host-{host:000}/units/backup.timer", $"[Timer]\nOnCalendar=*-*-* {random.Below(24):00}:{random.Below(60):00}\n");
        }

        var deep = string.Join('/', Enumerable.Range(0, 40).Select(i => $"level-{i:00}"));
        Text(folder, $"deep/{deep}/bottom.txt", "forty folders down\n");
        Directory.CreateDirectory(Path.Combine(folder, "empty-folder", "inside"));
    }

    private static void Links(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "links"));
        File.CreateSymbolicLink(Path.Combine(folder, "links", "to-file"), "../pve/storage.cfg");
        File.CreateSymbolicLink(Path.Combine(folder, "links", "to-folder"), "../pve/nodes");
        File.CreateSymbolicLink(Path.Combine(folder, "links", "dangling"), "/does/not/exist");
        File.CreateSymbolicLink(Path.Combine(folder, "links", "loop"), "loop");
        Text(folder, "links/hard-1", "one file with three names\n");
        RawFiles.HardLink(Path.Combine(folder, "links", "hard-1"), Path.Combine(folder, "links", "hard-2"));
        RawFiles.HardLink(Path.Combine(folder, "links", "hard-1"), Path.Combine(folder, "pve", "hard-3"));
    }

    private static void OddNames(string folder)
    {
        var names = Directory.CreateDirectory(Path.Combine(folder, "names")).FullName;
        foreach (var name in (string[])[" leading space", "trailing space ", "new\nline", "tab\t", "quote'\"", "back\\slash", "-rf", "~", "#hash", "%41", "Ünïcödé", "u\u0308ber", "\U0001F30C", "*", "..."])
        {
            Text(names, name, $"content of {name}\n");
        }

        Text(names, new string('n', 255), "the longest name\n");
        RawFiles.Write([.. RawFiles.Bytes(names + "/latin1-"), 0xE9, 0xFF], "a name that is no UTF-8\n"u8);
    }

    private static void OddFiles(string folder)
    {
        var odd = Directory.CreateDirectory(Path.Combine(folder, "odd")).FullName;
        File.WriteAllBytes(Path.Combine(odd, "empty"), []);
        using (var sparse = new FileStream(Path.Combine(odd, "sparse.img"), FileMode.CreateNew))
        {
            sparse.Write("head"u8);
            sparse.Position = 32 << 20;
            sparse.Write("middle"u8);
            sparse.SetLength(64 << 20);
        }

        RawFiles.MakeFifo(Path.Combine(odd, "fifo"));
        Text(odd, "with-attributes", "user attributes\n");
        if (RawFiles.TrySetAttribute(Path.Combine(odd, "with-attributes"), "user.origin", "sample data"))
        {
            RawFiles.TrySetAttribute(odd, "user.folder", "attribute of a folder");
        }
    }

    private static void Modes(string folder)
    {
        var modes = Directory.CreateDirectory(Path.Combine(folder, "modes")).FullName;
        foreach (var mode in (int[])[0b100_000_000, 0b111_101_101, 0b110_110_110, 0b1_111_101_101, 0b100_111_101_101, 0b010_111_101_000])
        {
            var name = Convert.ToString(mode, 8);
            Text(modes, name, $"mode {name}\n");
            File.SetUnixFileMode(Path.Combine(modes, name), (UnixFileMode)mode);
        }

        Directory.CreateDirectory(Path.Combine(modes, "sticky"));
        File.SetUnixFileMode(Path.Combine(modes, "sticky"), (UnixFileMode)0b001_111_111_111);
        if (Native.IsRoot)
        {
            Text(modes, "owned-by-another", "user 1234, group 4321\n");
            Native.ChangeOwner(Path.Combine(modes, "owned-by-another"), 1234, 4321);
        }
    }

    private static void Times(string folder)
    {
        RawFiles.SetModified(RawFiles.Bytes(Path.Combine(folder, "pve/storage.cfg")), Instant, 123_456_789);
        RawFiles.SetModified(RawFiles.Bytes(Path.Combine(folder, "links/dangling")), Instant, 1);
        RawFiles.SetModified(RawFiles.Bytes(Path.Combine(folder, "odd/empty")), 0, 0);
        RawFiles.SetModified(RawFiles.Bytes(Path.Combine(folder, "empty-folder")), Instant, 999_999_999);
    }

    private static void Text(string folder, string path, string text)
    {
        var file = Path.Combine(folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
    }
}
