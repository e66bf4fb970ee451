using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Backup.AgentApi;

/// <summary>
/// A one-time code that ties an agent to a control plane: which enrolment it is, the key the agent shall find at the other end, and a
/// secret of 128 bits that proves the agent was invited. Prints as <c>***</c>.
/// </summary>
public sealed class EnrolmentCode
{
    private const string Prefix = "bkenrol1.";
    private const int IdBytes = 8;
    private const int SecretBytes = 16;
    private const int CheckBytes = 4;
    private const int BodyBytes = IdBytes + KeyIdBytes + SecretBytes;
    private const int KeyIdBytes = AgentApi.KeyId.Bytes;

    private readonly byte[] _body;

    private EnrolmentCode(byte[] body)
    {
        _body = body;
        Id = Convert.ToHexStringLower(body.AsSpan(0, IdBytes));
        ControlPlane = KeyId.FromBytes(body.AsSpan(IdBytes, KeyIdBytes));
    }

    /// <summary>Names the enrolment; not secret.</summary>
    public string Id { get; }

    /// <summary>The control plane's key.</summary>
    public KeyId ControlPlane { get; }

    /// <summary>What the control plane keeps instead of the secret: SHA-256 of it under a label, lower-case hex.</summary>
    public string SecretHash => HashOf(Secret);

    internal ReadOnlySpan<byte> Secret => _body.AsSpan(IdBytes + KeyIdBytes);

    /// <summary>Makes a new code.</summary>
    /// <param name="controlPlane">The control plane the agent shall trust.</param>
    public static EnrolmentCode Create(PublicIdentity controlPlane)
    {
        ArgumentNullException.ThrowIfNull(controlPlane);
        var body = new byte[BodyBytes];
        RandomNumberGenerator.Fill(body);
        controlPlane.KeyId.ToBytes().CopyTo(body.AsSpan(IdBytes));
        return new EnrolmentCode(body);
    }

    /// <summary>Reads a code; white space around it does not matter.</summary>
    /// <exception cref="AgentApiException">It is no code, or was mistyped.</exception>
    public static EnrolmentCode Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var code = text.Trim();
        Span<byte> bytes = stackalloc byte[BodyBytes + CheckBytes];
        if (!code.StartsWith(Prefix, StringComparison.Ordinal)
            || Base64Url.DecodeFromUtf8(Encoding.UTF8.GetBytes(code[Prefix.Length..]), bytes, out _, out var written) != System.Buffers.OperationStatus.Done
            || written != bytes.Length
            || !bytes[BodyBytes..].SequenceEqual(CheckOf(bytes[..BodyBytes])))
        {
            throw new AgentApiException(AgentApiFault.Malformed, "This is not an enrolment code, or it was not copied whole.", "Copy the code again, or ask for a new one.");
        }

        return new EnrolmentCode(bytes[..BodyBytes].ToArray());
    }

    /// <summary>The code itself, for the one who asked for it.</summary>
    public string Reveal() => Prefix + Base64Url.EncodeToString([.. _body, .. CheckOf(_body)]);

    /// <inheritdoc/>
    public override string ToString() => "***";

    internal static string HashOf(ReadOnlySpan<byte> secret) => Convert.ToHexStringLower(SHA256.HashData([.. "backup-functions/enrolment-secret/v1\0"u8, .. secret]));

    // Against typing errors only: whoever may forge a code may compute it.
    private static byte[] CheckOf(ReadOnlySpan<byte> body) => SHA256.HashData(body)[..CheckBytes];
}
