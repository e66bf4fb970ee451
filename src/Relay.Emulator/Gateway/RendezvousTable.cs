using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Backup.Relay.Emulator;

/// <summary>What happens when a listener dials a rendezvous address. Completes when its connection may end.</summary>
internal delegate Task RendezvousArrival(HttpContext context, RequestTarget target);

/// <summary>Addresses that listeners were told, each good once and for a limited time.</summary>
internal sealed class RendezvousTable(RelayEmulatorOptions options, Func<string> authority)
{
    private const string CapabilityParameter = "sb-hc-rv";
    private const string IdParameter = "sb-hc-id";

    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>How many addresses are open; none when nothing is going on.</summary>
    public int Count => _entries.Count;

    /// <summary>Opens an address. Dispose the result when nobody needs it any more.</summary>
    public RendezvousAddress Open(string action, string id, string strippedTarget, RendezvousArrival arrival)
    {
        // The id may be the sender's choice, so the right to use the address is a parameter that nobody can guess.
        var capability = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var question = strippedTarget.Contains('?', StringComparison.Ordinal) ? '&' : '?';
        // Built from the configuration and never from the sender's Host header, which could send the agent elsewhere.
        var address = $"wss://{authority()}/$hc{strippedTarget}{question}sb-hc-action={action}&{IdParameter}={Uri.EscapeDataString(id)}&{CapabilityParameter}={capability}";
        _entries[capability] = new Entry(action, id, options.Clock.GetUtcNow() + options.Limits.RendezvousLife, arrival);
        return new RendezvousAddress(address, () => _entries.TryRemove(capability, out _));
    }

    /// <summary>Takes an address out of use and returns what to do; null when it is unknown, used or stale.</summary>
    public RendezvousArrival? Take(string action, RequestTarget target)
    {
        var capability = target.Parameter(CapabilityParameter);
        var id = target.Parameter(IdParameter);
        if (capability is null || id is null || !_entries.TryRemove(capability, out var entry)) return null;
        var fits = entry.Action == action
            && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(entry.Id), Encoding.UTF8.GetBytes(id))
            && options.Clock.GetUtcNow() <= entry.ExpiresAt;
        return fits ? entry.Arrival : null;
    }

    private sealed record Entry(string Action, string Id, DateTimeOffset ExpiresAt, RendezvousArrival Arrival);
}

/// <summary>An open address.</summary>
internal sealed class RendezvousAddress(string address, Action close) : IDisposable
{
    public string Text => address;

    public void Dispose() => close();
}
