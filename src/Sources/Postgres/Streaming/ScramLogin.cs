using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Backup.Sources.Postgres.Streaming;

/// <summary>
/// One login by SCRAM-SHA-256 (RFC 5802 and 7677), with channel binding where the server offers it: neither side shows the password, and the server
/// proves that it knows it.
/// </summary>
internal sealed class ScramLogin
{
    internal const string Plain = "SCRAM-SHA-256";
    internal const string Bound = "SCRAM-SHA-256-PLUS";

    private const int IterationsMax = 10_000_000;

    private readonly string _user;
    private readonly string _password;
    private readonly string _nonce;
    private readonly byte[] _header;
    private readonly byte[] _binding;
    private byte[] _serverSignature = [];

    private ScramLogin(string mechanism, string user, string password, string nonce, string header, byte[] binding)
    {
        Mechanism = mechanism;
        _user = user.Replace("=", "=3D", StringComparison.Ordinal).Replace(",", "=2C", StringComparison.Ordinal);
        _password = password;
        _nonce = nonce;
        _header = Encoding.ASCII.GetBytes(header);
        _binding = binding;
    }

    internal string Mechanism { get; }

    /// <summary>The first message.</summary>
    internal string First => Encoding.ASCII.GetString(_header) + FirstBare;

    private string FirstBare => $"n={_user},r={_nonce}";

    /// <summary>Null when the server offers nothing of ours.</summary>
    /// <param name="offered">The server's mechanisms.</param>
    /// <param name="user">The role; servers go by the one of the startup message.</param>
    /// <param name="password">The password.</param>
    /// <param name="endPointHash">Of the server's certificate; null when there is nothing to bind to.</param>
    /// <param name="isEncrypted">TLS is used.</param>
    /// <param name="nonce">Fresh and unpredictable, of printable characters without commas.</param>
    internal static ScramLogin? Choose(IReadOnlyCollection<string> offered, string user, string password, byte[]? endPointHash, bool isEncrypted, string nonce)
    {
        if (endPointHash is not null && offered.Contains(Bound))
            return new ScramLogin(Bound, user, password, nonce, "p=tls-server-end-point,,", endPointHash);
        if (!offered.Contains(Plain))
            return null;
        // "y" says that we could bind and the server offered nothing: one who took its offer away on the way is found out.
        return new ScramLogin(Plain, user, password, nonce, isEncrypted && endPointHash is not null ? "y,," : "n,,", []);
    }

    /// <summary>The second message, which proves the password.</summary>
    /// <exception cref="InvalidDataException">The server's message makes no sense, or answers another login.</exception>
    internal string Prove(string serverFirst)
    {
        var parts = Parts(serverFirst);
        if (!parts.TryGetValue('r', out var nonce) || !nonce.StartsWith(_nonce, StringComparison.Ordinal) || nonce.Length == _nonce.Length
            || !parts.TryGetValue('s', out var salt) || !parts.TryGetValue('i', out var count)
            || !int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) || iterations is < 1 or > IterationsMax)
        {
            throw new InvalidDataException("The server's part of the login makes no sense.");
        }

        var withoutProof = $"c={Convert.ToBase64String([.. _header, .. _binding])},r={nonce}";
        var all = Encoding.UTF8.GetBytes($"{FirstBare},{serverFirst},{withoutProof}");
        var salted = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(_password.Normalize(NormalizationForm.FormKC)), FromBase64(salt), iterations, HashAlgorithmName.SHA256, SHA256.HashSizeInBytes);
        var proof = HMACSHA256.HashData(salted, "Client Key"u8);
        var signature = HMACSHA256.HashData(SHA256.HashData(proof), all);
        for (var i = 0; i < proof.Length; i++)
            proof[i] ^= signature[i];
        _serverSignature = HMACSHA256.HashData(HMACSHA256.HashData(salted, "Server Key"u8), all);
        return $"{withoutProof},p={Convert.ToBase64String(proof)}";
    }

    /// <summary>The server has proved that it knows the password; a login that ends without is none.</summary>
    internal bool IsProved { get; private set; }

    /// <summary>Whether the server's last message proves that it knows the password.</summary>
    internal bool IsProvedBy(string serverFinal) => IsProved =
        Parts(serverFinal).TryGetValue('v', out var signature) && _serverSignature.Length > 0 && CryptographicOperations.FixedTimeEquals(FromBase64(signature), _serverSignature);

    private static Dictionary<char, string> Parts(string message)
    {
        var parts = new Dictionary<char, string>();
        foreach (var part in message.Split(','))
        {
            if (part.Length >= 2 && part[1] == '=')
                parts.TryAdd(part[0], part[2..]);
        }

        return parts;
    }

    private static byte[] FromBase64(string text)
    {
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var count) ? bytes[..count] : throw new InvalidDataException("The server's part of the login makes no sense.");
    }
}
