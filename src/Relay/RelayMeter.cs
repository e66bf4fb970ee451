using System.Diagnostics.Metrics;

namespace Backup.Relay;

/// <summary>The instruments of the meter <c>Backup.Relay</c>.</summary>
internal static class RelayMeter
{
    private static readonly Meter Meter = new("Backup.Relay");

    public static readonly Counter<long> Connections = Meter.CreateCounter<long>("relay.listener.connections", description: "Control channels opened");

    public static readonly Counter<long> ConnectFailures = Meter.CreateCounter<long>("relay.listener.connect_failures", description: "Control channels that could not be opened or ended, by fault");

    public static readonly UpDownCounter<long> Online = Meter.CreateUpDownCounter<long>("relay.listener.online", description: "Listeners that are registered now, by entity");

    public static readonly Counter<long> Renewals = Meter.CreateCounter<long>("relay.listener.token_renewals", description: "Tokens renewed on a live control channel");

    public static readonly Counter<long> Requests = Meter.CreateCounter<long>("relay.listener.requests", description: "Requests answered, by status");

    public static readonly UpDownCounter<long> RequestsInWork = Meter.CreateUpDownCounter<long>("relay.listener.requests_in_work", description: "Requests being worked on now");

    public static readonly Counter<long> RequestsRefused = Meter.CreateCounter<long>("relay.listener.requests_refused", description: "Requests turned away because too many are in work");

    public static readonly Histogram<double> RequestDuration = Meter.CreateHistogram<double>("relay.listener.request_duration", unit: "s", description: "How long handlers took");

    public static readonly Counter<long> Calls = Meter.CreateCounter<long>("relay.sender.calls", description: "Calls made, by outcome: answered, not_delivered, unknown");

    public static readonly Histogram<double> CallDuration = Meter.CreateHistogram<double>("relay.sender.call_duration", unit: "s", description: "How long calls took");
}
