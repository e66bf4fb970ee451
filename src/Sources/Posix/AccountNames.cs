using System.Collections.Concurrent;
using System.Text;

namespace Backup.Sources.Posix;

/// <summary>User and group names by number and back, asked once each. Empty or null where the machine knows no such account.</summary>
internal sealed unsafe class AccountNames
{
    private const int BufferBytesMax = 1024 * 1024;

    private readonly ConcurrentDictionary<uint, string> _users = new();
    private readonly ConcurrentDictionary<uint, string> _groups = new();
    private readonly ConcurrentDictionary<string, uint?> _userIds = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, uint?> _groupIds = new(StringComparer.Ordinal);

    internal string User(uint id) => _users.GetOrAdd(id, static wanted => Ask(
        (entry, buffer, size, found) => Libc.GetUserById(wanted, (Libc.PasswordEntry*)entry, buffer, size, (Libc.PasswordEntry**)found),
        static entry => Text(((Libc.PasswordEntry*)entry)->Name)) ?? "");

    internal string Group(uint id) => _groups.GetOrAdd(id, static wanted => Ask(
        (entry, buffer, size, found) => Libc.GetGroupById(wanted, (Libc.GroupEntry*)entry, buffer, size, (Libc.GroupEntry**)found),
        static entry => Text(((Libc.GroupEntry*)entry)->Name)) ?? "");

    internal uint? UserId(string name) => _userIds.GetOrAdd(name, static wanted => Ask<uint?>(
        (entry, buffer, size, found) =>
        {
            fixed (byte* pointer = Terminated(wanted))
                return Libc.GetUserByName(pointer, (Libc.PasswordEntry*)entry, buffer, size, (Libc.PasswordEntry**)found);
        },
        static entry => ((Libc.PasswordEntry*)entry)->User));

    /// <summary>An account's user and main group; null when the machine knows no such account.</summary>
    internal (uint User, uint Group)? Find(string name) => Ask<(uint User, uint Group)?>(
        (entry, buffer, size, found) =>
        {
            fixed (byte* pointer = Terminated(name))
                return Libc.GetUserByName(pointer, (Libc.PasswordEntry*)entry, buffer, size, (Libc.PasswordEntry**)found);
        },
        static entry => (((Libc.PasswordEntry*)entry)->User, ((Libc.PasswordEntry*)entry)->Group));

    internal uint? GroupId(string name) => _groupIds.GetOrAdd(name, static wanted => Ask<uint?>(
        (entry, buffer, size, found) =>
        {
            fixed (byte* pointer = Terminated(wanted))
                return Libc.GetGroupByName(pointer, (Libc.GroupEntry*)entry, buffer, size, (Libc.GroupEntry**)found);
        },
        static entry => ((Libc.GroupEntry*)entry)->Group));

    private delegate int Query(void* entry, byte* buffer, nuint size, void** found);

    private delegate T Answer<out T>(void* entry);

    private static T? Ask<T>(Query query, Answer<T> answer)
    {
        for (var size = 1024; size <= BufferBytesMax; size *= 4)
        {
            var buffer = new byte[size];
            Libc.PasswordEntry entry; // the larger of the two entries
            void* found = null;
            fixed (byte* start = buffer)
            {
                var error = new Errno(query(&entry, start, (nuint)size, &found));
                if (error == Errno.OutOfRange)
                    continue;
                return found is null ? default : answer(&entry);
            }
        }

        return default;
    }

    private static byte[] Terminated(string name) => [.. Encoding.UTF8.GetBytes(name), 0];

    private static string Text(byte* terminated) =>
        Encoding.UTF8.GetString(System.Runtime.InteropServices.MemoryMarshal.CreateReadOnlySpanFromNullTerminated(terminated));
}
