using System.Buffers;
using System.Globalization;
using System.Text;

namespace Backup.Sources.Posix;

/// <summary>One extended attribute with its full name, for example <c>user.origin</c> or <c>system.posix_acl_access</c>.</summary>
internal readonly record struct ExtendedAttribute(byte[] Name, byte[] Value);

/// <summary>
/// Extended attributes, POSIX access control lists among them. The kernel has no calls relative to a directory for these (before
/// 6.13), so what is not open is named through <c>/proc/self/fd/N/name</c>, which is relative to the open directory as well.
/// </summary>
internal static unsafe class ExtendedAttributes
{
    private const int ListBytesMax = 64 * 1024;
    private const int ValueBytesMax = 64 * 1024;

    internal static Errno Read(Descriptor file, out List<ExtendedAttribute> attributes)
    {
        var list = stackalloc byte[1024];
        var length = Libc.ListAttributes(file.Number, list, 1024);
        if (length <= 0 && Errno.Last != Errno.OutOfRange)
        {
            attributes = [];
            return length == 0 || Errno.Last == Errno.NotSupported ? Errno.None : Errno.Last;
        }

        return ReadLong(file, [], out attributes);
    }

    internal static Errno Read(Descriptor directory, ReadOnlySpan<byte> name, out List<ExtendedAttribute> attributes) =>
        ReadLong(null, ProcPath(directory, name), out attributes);

    internal static Errno Set(Descriptor directory, ReadOnlySpan<byte> name, ExtendedAttribute attribute)
    {
        var path = ProcPath(directory, name);
        byte[] attributeName = [.. attribute.Name, 0];
        fixed (byte* pathPointer = path, namePointer = attributeName, valuePointer = attribute.Value)
            return Libc.SetAttribute(pathPointer, namePointer, valuePointer, (nuint)attribute.Value.Length, 0) == 0 ? Errno.None : Errno.Last;
    }

    internal static Errno Remove(Descriptor directory, ReadOnlySpan<byte> name, byte[] attribute)
    {
        var path = ProcPath(directory, name);
        byte[] attributeName = [.. attribute, 0];
        fixed (byte* pathPointer = path, namePointer = attributeName)
            return Libc.RemoveAttribute(pathPointer, namePointer) == 0 ? Errno.None : Errno.Last;
    }

    private static Errno ReadLong(Descriptor? file, byte[] path, out List<ExtendedAttribute> attributes)
    {
        attributes = [];
        var names = ArrayPool<byte>.Shared.Rent(ListBytesMax);
        try
        {
            nint length;
            fixed (byte* list = names, pathPointer = path)
            {
                length = file is null
                    ? Libc.ListAttributes(pathPointer, list, ListBytesMax)
                    : Libc.ListAttributes(file.Number, list, ListBytesMax);
            }

            if (length < 0)
                return Errno.Last == Errno.NotSupported ? Errno.None : Errno.Last;
            foreach (var range in names.AsSpan(0, (int)length).Split((byte)0))
            {
                var name = names.AsSpan(0, (int)length)[range];
                if (name.IsEmpty)
                    continue;
                var error = ReadValue(file, path, name, out var value);
                // Removed since the list was taken, or listed but readable by nobody but the kernel.
                if (error == Errno.NoData || error == Errno.NotSupported)
                    continue;
                if (error.IsError)
                    return error;
                attributes.Add(new ExtendedAttribute(name.ToArray(), value));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(names);
        }

        attributes.Sort(static (left, right) => left.Name.AsSpan().SequenceCompareTo(right.Name));
        return Errno.None;
    }

    private static Errno ReadValue(Descriptor? file, byte[] path, ReadOnlySpan<byte> name, out byte[] value)
    {
        value = [];
        byte[] terminated = [.. name, 0];
        var buffer = ArrayPool<byte>.Shared.Rent(ValueBytesMax);
        try
        {
            fixed (byte* namePointer = terminated, valuePointer = buffer, pathPointer = path)
            {
                var length = file is null
                    ? Libc.GetAttribute(pathPointer, namePointer, valuePointer, ValueBytesMax)
                    : Libc.GetAttribute(file.Number, namePointer, valuePointer, ValueBytesMax);
                if (length < 0)
                    return Errno.Last;
                value = buffer.AsSpan(0, (int)length).ToArray();
                return Errno.None;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static byte[] ProcPath(Descriptor directory, ReadOnlySpan<byte> name) =>
        [.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{directory.Number}/")), .. name, 0];
}
