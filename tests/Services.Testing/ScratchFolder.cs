using System.Diagnostics;

namespace Backup.Services.Testing;

/// <summary>A folder of this test run below the system's temporary folder, removed at the end.</summary>
/// <remarks>Every user may enter it (not list it), since servers started by root run as another account.</remarks>
public sealed class ScratchFolder : IDisposable
{
    public ScratchFolder(string purpose)
    {
        Path = Directory.CreateTempSubdirectory($"backup-{purpose}-").FullName;
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
    }

    public string Path { get; }

    public string Combine(params IEnumerable<string> names) => System.IO.Path.Combine([Path, .. names]);

    // rm, since .NET cannot delete a file whose name is no UTF-8.
    public void Dispose()
    {
        using var remove = Process.Start("rm", ["-rf", "--", Path]);
        remove.WaitForExit();
    }
}
