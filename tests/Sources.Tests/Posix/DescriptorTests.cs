using System.Text;
using Backup.Services.Testing;
using Backup.Sources.Posix;
using Shouldly;

namespace Backup.Sources.Tests.Posix;

public sealed class DescriptorTests : IDisposable
{
    private readonly ScratchFolder _scratch = new("posix");
    private readonly Descriptor _folder;

    public DescriptorTests()
    {
        SafePath.OpenDirectory(_scratch.Path, out var folder).IsError.ShouldBeFalse();
        _folder = folder!;
    }

    public void Dispose()
    {
        _folder.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public void Listing_NamesThatAreNotUtf8_ComeBackByteForByte()
    {
        byte[][] names = [[0xFF, 0xFE], "plain"u8.ToArray(), "new\nline"u8.ToArray()];
        foreach (var name in names)
            Make(_folder, name);
        DirectoryListing.Read(_folder, out var entries).IsError.ShouldBeFalse();
        entries.Select(entry => Convert.ToHexString(entry.Name)).ShouldBe(
            names.Select(Convert.ToHexString).Order(StringComparer.Ordinal));
        entries.ShouldAllBe(entry => entry.Type == FileType.Regular);
        foreach (var name in names)
            _folder.RemoveFile(name).IsError.ShouldBeFalse();
    }

    [Fact]
    public void Status_NanosecondsAndModes_AreWhatWasSet()
    {
        Make(_folder, "file"u8);
        _folder.OpenForReading("file"u8, out var file).IsError.ShouldBeFalse();
        using (file)
        {
            file!.SetMode(0xFFF & 0x9ED).IsError.ShouldBeFalse();
            file!.SetModified(-1_000_000_001).IsError.ShouldBeFalse();
            file!.Status(out var status).IsError.ShouldBeFalse();
            status.Type.ShouldBe(FileType.Regular);
            status.Permissions.ShouldBe(0x9EDu);
            status.ModifiedNanoseconds.ShouldBe(-1_000_000_001);
            status.Links.ShouldBe(1u);
        }
    }

    [Fact]
    public void OpenDirectory_SymbolicLink_IsRefused()
    {
        _folder.MakeDirectory("real"u8, 0x1C0).IsError.ShouldBeFalse();
        _folder.MakeSymbolicLink("link"u8, "real"u8).IsError.ShouldBeFalse();
        _folder.OpenDirectory("link"u8, out _).IsVanished.ShouldBeTrue();
        _folder.ReadLink("link"u8, out var target).IsError.ShouldBeFalse();
        Encoding.UTF8.GetString(target).ShouldBe("real");
    }

    [Fact]
    public void OpenForReading_Fifo_DoesNotBlock()
    {
        _folder.MakeNode("fifo"u8, FileType.Fifo, 0x180, 0).IsError.ShouldBeFalse();
        _folder.OpenForReading("fifo"u8, out var fifo).IsError.ShouldBeFalse();
        fifo!.Dispose();
    }

    [Fact]
    public void Attributes_OnFilesAndByName_ReadBack()
    {
        Make(_folder, "file"u8);
        var large = new byte[3000];
        large.AsSpan().Fill(7);
        var set = ExtendedAttributes.Set(_folder, "file"u8, new ExtendedAttribute("user.large"u8.ToArray(), large));
        Assert.SkipWhen(set == Errno.NotSupported || set == Errno.NoSpace, "This file system has no user attributes.");
        set.IsError.ShouldBeFalse(set.ToString());
        ExtendedAttributes.Set(_folder, "file"u8, new ExtendedAttribute("user.empty"u8.ToArray(), [])).IsError.ShouldBeFalse();
        _folder.OpenForReading("file"u8, out var file).IsError.ShouldBeFalse();
        using (file)
        {
            ExtendedAttributes.Read(file!, out var byDescriptor).IsError.ShouldBeFalse();
            ExtendedAttributes.Read(_folder, "file"u8, out var byName).IsError.ShouldBeFalse();
            foreach (var attributes in new[] { byDescriptor, byName })
            {
                attributes.Select(one => Encoding.UTF8.GetString(one.Name)).ShouldBe(["user.empty", "user.large"]);
                attributes[1].Value.ShouldBe(large);
            }
        }
    }

    [Fact]
    public void NextData_FileWithAHole_FindsBothEnds()
    {
        Make(_folder, "sparse"u8);
        _folder.OpenForWriting("sparse"u8, create: false, out var file).IsError.ShouldBeFalse();
        using (file)
        {
            const long length = 8 << 20;
            file!.Truncate(length).IsError.ShouldBeFalse();
            file.Write("x"u8, 4 << 20).IsError.ShouldBeFalse();
            file.NextData(0, length, out var data).IsError.ShouldBeFalse();
            Assert.SkipWhen(data == 0, "This file system does not report holes.");
            data.ShouldBeLessThanOrEqualTo(4 << 20);
            file.NextHole(data, out var hole).IsError.ShouldBeFalse();
            hole.ShouldBeGreaterThan(4 << 20);
            file.NextData(hole, length, out var end).IsError.ShouldBeFalse();
            end.ShouldBe(length);
        }
    }

    [Fact]
    public void Names_RootExistsAndNobodyHasTheHighestNumber()
    {
        var names = new AccountNames();
        names.User(0).ShouldBe("root");
        names.UserId("root").ShouldBe(0u);
        names.Group(0).ShouldBe("root");
        names.GroupId("root").ShouldBe(0u);
        names.User(4_294_967_000).ShouldBeEmpty();
        names.UserId("no such account").ShouldBeNull();
    }

    [Theory]
    [InlineData(new byte[] { (byte)'a', 0xFF, (byte)'\n' }, "a\\xff\\x0a")]
    [InlineData(new byte[] { (byte)'\\' }, "\\x5c")]
    [InlineData(new byte[] { 0xC3, 0xA9 }, "é")]
    public void Display_BytesThatAreNotText_AreEscaped(byte[] name, string shown) => ByteText.Display(name).ShouldBe(shown);

    private static void Make(Descriptor folder, ReadOnlySpan<byte> name)
    {
        folder.OpenForWriting(name, create: true, out var file).IsError.ShouldBeFalse();
        file!.Dispose();
    }
}
