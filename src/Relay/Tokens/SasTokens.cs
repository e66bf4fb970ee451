using System.Collections.Concurrent;

namespace Backup.Relay;

/// <summary>Makes shared access signatures for one rule, and hands out each until 75 % of its life is over.</summary>
public sealed class SasTokens : IRelayTokens
{
    /// <summary>How long a token lives: 60 minutes, as the official clients choose.</summary>
    public static readonly TimeSpan LifetimeDefault = TimeSpan.FromMinutes(60);

    private const double RenewShare = 0.75;

    private readonly string _keyName;
    private readonly string _key;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _lifetime;
    private readonly ConcurrentDictionary<string, RelayToken> _tokens = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Tokens of one rule.</summary>
    /// <param name="keyName">The rule's name.</param>
    /// <param name="key">The rule's key, as text.</param>
    /// <param name="clock">Sets expiry times.</param>
    /// <param name="lifetime">Null for <see cref="LifetimeDefault"/>; at least 10 seconds.</param>
    /// <exception cref="ArgumentException">Name or key are empty or longer than <see cref="SasToken.KeyLengthMax"/>, or the lifetime is too short.</exception>
    public SasTokens(string keyName, string key, TimeProvider clock, TimeSpan? lifetime = null)
    {
        if (keyName is not { Length: > 0 and <= SasToken.KeyLengthMax }) throw new ArgumentException("A rule's name is 1 to 256 characters.", nameof(keyName));
        if (key is not { Length: > 0 and <= SasToken.KeyLengthMax }) throw new ArgumentException("A rule's key is 1 to 256 characters.", nameof(key));
        _keyName = keyName;
        _key = key;
        _clock = clock;
        _lifetime = lifetime ?? LifetimeDefault;
        ArgumentOutOfRangeException.ThrowIfLessThan(_lifetime, TimeSpan.FromSeconds(10), nameof(lifetime));
    }

    /// <summary>Tokens of one rule whose key stands in a file; white space around it does not count.</summary>
    /// <exception cref="RelayException">The file cannot be read or holds no usable key.</exception>
    public static SasTokens FromKeyFile(string keyName, string path, TimeProvider clock)
    {
        try
        {
            return new SasTokens(keyName, File.ReadAllText(path).Trim(), clock);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new RelayException(RelayFault.Configuration, $"The relay key file '{path}' cannot be used.", "It must hold one key of 1 to 256 characters and be readable by this process.", e);
        }
    }

    /// <inheritdoc/>
    public ValueTask<RelayToken> GetAsync(RelayEndpoint endpoint, EntityPath entity, CancellationToken cancel)
    {
        // The official .NET form: scheme http, no port, slash at the end.
        var audience = $"http://{endpoint.Host}/{entity.Escaped}/";
        var now = _clock.GetUtcNow();
        if (_tokens.TryGetValue(audience, out var known) && now < known.RenewAt) return ValueTask.FromResult(known);
        var expires = now + _lifetime;
        var token = new RelayToken(SasToken.Create(audience, _keyName, _key, expires), expires, now + (_lifetime * RenewShare));
        _tokens[audience] = token;
        return ValueTask.FromResult(token);
    }

    /// <summary>Prints no secret.</summary>
    public override string ToString() => $"tokens of rule {_keyName}";
}
