using Backup.Sources.Posix;
using Shouldly;

namespace Backup.Sources.Tests.Files;

/// <summary>Makes a tree with everything that is hard about files.</summary>
internal static class OddTree
{
    internal static void Make(string path, int seed)
    {
        var random = new Random(seed);
        Directory.CreateDirectory(path);
        SafePath.OpenDirectory(path, out var opened).IsError.ShouldBeFalse();
        using var top = opened!;
        Write(top, "empty"u8, []);
        Write(top, "small"u8, Bytes(random, 300));
        Write(top, "large"u8, Bytes(random, 9_000_000));
        Write(top, "zeros"u8, new byte[3_000_000]);
        Write(top, [0xFF, 0xFE, (byte)'x'], Bytes(random, 10));
        Write(top, "new\nline \\ and \u00e9"u8, Bytes(random, 11));
        Write(top, "\u0001"u8, Bytes(random, 12));
        Write(top, new byte[255].Select(_ => (byte)'n').ToArray(), Bytes(random, 13));

        MakeSparse(top, random);
        MakeLinks(top);
        MakeModes(top, random);

        top.MakeDirectory("empty folder"u8, 0x1ED).IsError.ShouldBeFalse();
        top.MakeNode("pipe"u8, FileType.Fifo, 0x1A4, 0).IsError.ShouldBeFalse();
        top.MakeNode("device"u8, FileType.CharacterDevice, 0x1A4, 0x103).ShouldBeOneOf(Errno.None, Errno.NotPermitted);

        for (var folder = 0; folder < 20; folder++)
        {
            var name = ByteText.Encode($"folder {folder:00}");
            top.MakeDirectory(name, 0x1ED).IsError.ShouldBeFalse();
            top.OpenDirectory(name, out var inside).IsError.ShouldBeFalse();
            using (inside)
            {
                for (var file = 0; file < 30; file++)
                    Write(inside!, ByteText.Encode($"file {file}"), Bytes(random, random.Next(20_000)));
                inside!.SetModified(1_500_000_000_123_456_789 + folder).IsError.ShouldBeFalse();
            }
        }

        MakeDeep(top);
    }

    internal static void Write(Descriptor directory, ReadOnlySpan<byte> name, byte[] content)
    {
        directory.OpenForWriting(name, create: true, out var file).IsError.ShouldBeFalse();
        using (file)
            file!.Write(content, 0).IsError.ShouldBeFalse();
    }

    internal static byte[] Bytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    private static void MakeSparse(Descriptor top, Random random)
    {
        top.OpenForWriting("sparse"u8, create: true, out var file).IsError.ShouldBeFalse();
        using (file)
        {
            file!.Write(Bytes(random, 100_000), 4 << 20).IsError.ShouldBeFalse();
            file.Write(Bytes(random, 70_000), 40 << 20).IsError.ShouldBeFalse();
            file.Truncate(64 << 20).IsError.ShouldBeFalse();
        }

        top.OpenForWriting("only hole"u8, create: true, out file).IsError.ShouldBeFalse();
        using (file)
            file!.Truncate(1 << 20).IsError.ShouldBeFalse();
    }

    private static void MakeLinks(Descriptor top)
    {
        top.MakeSymbolicLink("link"u8, "small"u8).IsError.ShouldBeFalse();
        top.MakeSymbolicLink("dangling"u8, "/nowhere/at all"u8).IsError.ShouldBeFalse();
        top.SetModified("dangling"u8, 1_234_567_890_000_000_001).IsError.ShouldBeFalse();
        top.MakeDirectory("a"u8, 0x1ED).IsError.ShouldBeFalse();
        top.OpenDirectory("a"u8, out var a).IsError.ShouldBeFalse();
        using (a)
        {
            a!.MakeHardLink("large again"u8, top, "large"u8).IsError.ShouldBeFalse();
            a!.MakeHardLink("link again"u8, top, "dangling"u8).IsError.ShouldBeFalse();
        }
    }

    private static void MakeModes(Descriptor top, Random random)
    {
        Write(top, "no permissions"u8, Bytes(random, 20));
        Write(top, "set user id"u8, Bytes(random, 20));
        Write(top, "attributes"u8, Bytes(random, 20));
        foreach (var (name, mode, modified) in new[] { ("no permissions", 0u, -1L), ("set user id", 0x9EDu, 4_000_000_000_999_999_999L) })
        {
            top.OpenForReading(ByteText.Encode(name), out var file).IsError.ShouldBeFalse();
            using (file)
            {
                if (Libc.EffectiveUser() == 0)
                    file!.SetOwner(12345, 54321).IsError.ShouldBeFalse();
                file!.SetMode(Libc.EffectiveUser() == 0 ? mode : mode | 0x180).IsError.ShouldBeFalse();
                file!.SetModified(modified).IsError.ShouldBeFalse();
            }
        }

        // Where the file system has none, there is nothing to lose either.
        ExtendedAttributes.Set(top, "attributes"u8, new ExtendedAttribute("user.origin"u8.ToArray(), Bytes(random, 1000))).ShouldBeOneOf(Errno.None, Errno.NotSupported);
        ExtendedAttributes.Set(top, "attributes"u8, new ExtendedAttribute("user.empty"u8.ToArray(), [])).ShouldBeOneOf(Errno.None, Errno.NotSupported);
        // version 2; user rw-, user 4242 r--, group r--, mask rw-, other ---
        byte[] list = [2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0x92, 0x10, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 6, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255];
        ExtendedAttributes.Set(top, "attributes"u8, new ExtendedAttribute("system.posix_acl_access"u8.ToArray(), list)).ShouldBeOneOf(Errno.None, Errno.NotSupported);
    }

    /// <summary>60 folders with names of 100 bytes: a path of about 6,000, which no path call of the kernel takes.</summary>
    private static void MakeDeep(Descriptor top)
    {
        var name = new byte[100].Select(_ => (byte)'d').ToArray();
        var opened = new List<Descriptor>();
        var current = top;
        for (var depth = 0; depth < 60; depth++)
        {
            current.MakeDirectory(name, 0x1ED).IsError.ShouldBeFalse();
            current.OpenDirectory(name, out var next).IsError.ShouldBeFalse();
            opened.Add(next!);
            current = next!;
        }

        Write(current, "at the bottom"u8, [1, 2, 3]);
        opened.ForEach(directory => directory.Dispose());
    }
}
