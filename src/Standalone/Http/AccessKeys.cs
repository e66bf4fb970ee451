using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;

namespace Backup.Standalone.Http;

/// <summary>The keys that open functions, kept as SHA-256 hashes.</summary>
/// <remarks>
/// Settings <c>FunctionKeys:NAME</c>, <c>SystemKeys:NAME</c> and <c>AdminKeys:NAME</c> hold either the SHA-256 of a key as
/// 64 hexadecimal digits, or <c>file:PATH</c> of a file that holds the key itself. A function key opens functions, a system
/// key the durable management API, an admin key everything. All keys are compared, each in constant time, so the time an
/// answer takes tells nothing about them.
/// </remarks>
internal sealed class AccessKeys
{
    /// <summary>The header that may carry a key.</summary>
    public const string Header = "x-functions-key";

    /// <summary>The query parameter that may carry a key.</summary>
    public const string Query = "code";

    private const string FilePrefix = "file:";

    private readonly List<(AuthorizationLevel Level, byte[] Hash)> _keys = [];

    /// <exception cref="StandaloneException">A setting is neither a hash nor a readable file; every bad one is named.</exception>
    public AccessKeys(IConfiguration configuration)
    {
        var problems = new List<string>();
        string? systemKey = null;
        foreach (var (section, level) in new[]
        {
            ("FunctionKeys", AuthorizationLevel.Function), ("SystemKeys", AuthorizationLevel.System), ("AdminKeys", AuthorizationLevel.Admin),
        })
        {
            foreach (var setting in configuration.GetSection(section).GetChildren().Where(s => !string.IsNullOrEmpty(s.Value)))
            {
                var key = Read(setting, problems);
                if (key.Hash is not null)
                {
                    _keys.Add((level, key.Hash));
                    systemKey ??= level == AuthorizationLevel.System ? key.Plain : null;
                }
            }
        }

        if (problems.Count > 0)
        {
            throw new StandaloneException(
                StandaloneFault.Configuration,
                "The access keys cannot be read: " + string.Join("; ", problems) + ".",
                "Give the SHA-256 of a key as 64 hexadecimal digits (printf %s KEY | sha256sum), or file:PATH of a file that holds the key.");
        }

        if (systemKey is null)
        {
            // The management URLs of this process carry a key of its own, which nobody else has and a restart renews.
            systemKey = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
            _keys.Add((AuthorizationLevel.System, Hash(systemKey)));
        }

        SystemKey = systemKey;
    }

    /// <summary>The key that the durable management URLs carry. Not for logs.</summary>
    public string SystemKey { get; }

    /// <summary>Whether any function key is configured.</summary>
    public bool HasFunctionKeys => _keys.Any(k => k.Level is AuthorizationLevel.Function or AuthorizationLevel.Admin);

    /// <summary>Whether a request may do what needs this level.</summary>
    public bool Allows(HttpRequest request, AuthorizationLevel level)
    {
        if (level == AuthorizationLevel.Anonymous)
        {
            return true;
        }

        var given = request.Headers[Header].FirstOrDefault() ?? request.Query[Query].FirstOrDefault();
        if (string.IsNullOrEmpty(given))
        {
            return false;
        }

        var hash = Hash(given);
        var opened = false;
        foreach (var key in _keys)
        {
            opened |= CryptographicOperations.FixedTimeEquals(hash, key.Hash) & Opens(key.Level, level);
        }

        return opened;
    }

    private static bool Opens(AuthorizationLevel key, AuthorizationLevel wanted) => wanted switch
    {
        AuthorizationLevel.Function or AuthorizationLevel.User => key is AuthorizationLevel.Function or AuthorizationLevel.Admin,
        AuthorizationLevel.System => key is AuthorizationLevel.System or AuthorizationLevel.Admin,
        _ => key is AuthorizationLevel.Admin,
    };

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private static (byte[]? Hash, string? Plain) Read(IConfigurationSection setting, List<string> problems)
    {
        var value = setting.Value!.Trim();
        if (value.StartsWith(FilePrefix, StringComparison.OrdinalIgnoreCase))
        {
            try
            {
                var key = File.ReadAllText(value[FilePrefix.Length..]).Trim();
                if (key.Length > 0)
                {
                    return (Hash(key), key);
                }

                problems.Add($"{setting.Path} names an empty file");
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                problems.Add($"{setting.Path} names a file that cannot be read");
            }

            return (null, null);
        }

        if (value.Length == 64 && value.All(char.IsAsciiHexDigit))
        {
            return (Convert.FromHexString(value), null);
        }

        problems.Add($"{setting.Path} is neither a SHA-256 hash nor file:PATH");
        return (null, null);
    }
}
