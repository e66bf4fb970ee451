using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Backup.AgentApi;

/// <summary>
/// Key agreement by libsodium, called directly. NSec's own calls put every secret on guarded pages of its own, which costs a
/// dozen memory-map system calls a message, and these stop all threads of the process; here secrets live on the stack of one call.
/// NSec brings the library, and initialises it when it makes or reads the first identity, before anything is sealed.
/// </summary>
internal static partial class X25519
{
    public const int KeyBytes = 32;

    private const string Library = "libsodium";

    /// <summary>Makes an ephemeral secret; any 32 bytes are one.</summary>
    public static void NewSecret(Span<byte> secret) => RandomNumberGenerator.Fill(secret[..KeyBytes]);

    /// <summary>The public half of a secret.</summary>
    public static void PublicOf(ReadOnlySpan<byte> secret, Span<byte> open)
    {
        if (ScalarMultBase(ref MemoryMarshal.GetReference(open[..KeyBytes]), in MemoryMarshal.GetReference(secret[..KeyBytes])) != 0)
            throw new CryptographicException("The key has no public half.");
    }

    /// <summary>What two parties share.</summary>
    /// <exception cref="CryptographicException">The other's key is of small order, which would make the secret predictable.</exception>
    public static void Agree(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> open, Span<byte> shared)
    {
        if (ScalarMult(ref MemoryMarshal.GetReference(shared[..KeyBytes]), in MemoryMarshal.GetReference(secret[..KeyBytes]), in MemoryMarshal.GetReference(open[..KeyBytes])) != 0)
            throw new CryptographicException("The key agreement gives nothing secret.");
    }

    [LibraryImport(Library, EntryPoint = "crypto_scalarmult_base")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories | DllImportSearchPath.AssemblyDirectory)]
    private static partial int ScalarMultBase(ref byte open, in byte secret);

    [LibraryImport(Library, EntryPoint = "crypto_scalarmult")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories | DllImportSearchPath.AssemblyDirectory)]
    private static partial int ScalarMult(ref byte shared, in byte secret, in byte open);
}
