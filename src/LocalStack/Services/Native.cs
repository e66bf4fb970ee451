using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Backup.LocalStack.Services;

/// <summary>The few system calls .NET does not offer.</summary>
internal static partial class Native
{
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigTerm = 15;
    public const int SigCont = 18;
    public const int SigStop = 19;

    private const int NoSuchProcess = 3;

    /// <summary>Whether this process is root (of its user namespace).</summary>
    public static bool IsRoot => EffectiveUser() == 0;

    /// <summary>Sends a signal to a process, or with a negative id to a process group. One that has already ended is no error.</summary>
    public static void Signal(int processOrGroup, int signal)
    {
        if (Kill(processOrGroup, signal) != 0 && Marshal.GetLastPInvokeError() is var error && error != NoSuchProcess)
        {
            throw new Win32Exception(error, $"kill({processOrGroup}, {signal}) failed");
        }
    }

    public static void ChangeOwner(string path, int user, int group)
    {
        if (ChangeLinkOwner(path, user, group) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"Giving {path} to user {user} failed");
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeLinkOwner(string path, int user, int group);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial int EffectiveUser();
}
