using Backup.Sources.Posix;
using Shouldly;

namespace Backup.Sources.Tests.Posix;

internal static class SafePathLinks
{
    internal static void Link(string existing, string name)
    {
        SafePath.OpenDirectory(Path.GetDirectoryName(existing)!, out var from).IsError.ShouldBeFalse();
        SafePath.OpenDirectory(Path.GetDirectoryName(name)!, out var to).IsError.ShouldBeFalse();
        using (from)
        using (to)
            to!.MakeHardLink(ByteText.Encode(Path.GetFileName(name)), from!, ByteText.Encode(Path.GetFileName(existing))).IsError.ShouldBeFalse();
    }
}
