using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;

namespace Backup.Functions.Access;

/// <summary>
/// The persons behind decisions that one key must not be able to take: each has a key of their own beside the function key. Known by the
/// SHA-256 of their keys, which are random and long, so that nobody who reads the settings can act as any of them.
/// </summary>
/// <remarks>
/// Settings <c>Administrators:NAME</c> hold the hash as 64 hexadecimal digits, or <c>file:PATH</c> of a file with the key itself. All are
/// compared, each in constant time.
/// </remarks>
public sealed class Administrators
{
    /// <summary>The header that carries a person's key.</summary>
    public const string Header = "x-administrator-key";

    private const string FilePrefix = "file:";
    private const int NameCharsMax = 64;

    private readonly IReadOnlyList<(string Name, byte[] Hash)> _known;

    private Administrators(IReadOnlyList<(string Name, byte[] Hash)> known) => _known = known;

    /// <summary>How many there are.</summary>
    public int Count => _known.Count;

    /// <summary>Reads the settings.</summary>
    /// <exception cref="ControlPlaneException">A setting is no hash and no readable file, or two persons have one key; all problems are told.</exception>
    public static Administrators Read(IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var problems = new List<string>();
        var known = new List<(string Name, byte[] Hash)>();
        foreach (var setting in configuration.GetSection("Administrators").GetChildren().Where(s => !string.IsNullOrEmpty(s.Value)))
        {
            if (HashOf(setting.Value!) is not { } hash || setting.Key.Length > NameCharsMax)
            {
                problems.Add($"Administrators:{setting.Key} is neither a SHA-256 as 64 hexadecimal digits nor file:PATH of a file with a key");
            }
            else if (known.Find(k => CryptographicOperations.FixedTimeEquals(k.Hash, hash)).Name is { } other)
            {
                problems.Add($"Administrators:{setting.Key} has the same key as {other}: one person would count as two");
            }
            else
            {
                known.Add((setting.Key, hash));
            }
        }

        return problems.Count == 0
            ? new Administrators(known)
            : throw new ControlPlaneException(ControlPlaneFault.Settings, $"The administrators cannot be read: {string.Join("; ", problems)}.", "Make a key with 'openssl rand -hex 32' and set 'printf %s KEY | sha256sum'.");
    }

    /// <summary>Whose key a request carries; null when it carries none that is known.</summary>
    public string? Identify(HttpRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var given = request.Headers[Header].ToString();
        if (given.Length == 0)
        {
            return null;
        }

        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(given));
        string? found = null;
        foreach (var (name, known) in _known)
        {
            found = CryptographicOperations.FixedTimeEquals(hash, known) ? name : found;
        }

        return found;
    }

    private static byte[]? HashOf(string value)
    {
        if (value.StartsWith(FilePrefix, StringComparison.Ordinal))
        {
            var path = value[FilePrefix.Length..];
            try
            {
                return File.ReadAllText(path).Trim() is { Length: > 0 } key ? SHA256.HashData(Encoding.UTF8.GetBytes(key)) : null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                return null;
            }
        }

        return value.Length == 64 && value.All(char.IsAsciiHexDigit) ? Convert.FromHexString(value) : null;
    }
}
