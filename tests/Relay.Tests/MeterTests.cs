using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Backup.Relay.Emulator;
using Shouldly;

namespace Backup.Relay.Tests;

/// <summary>Each instrument of the meter <c>Backup.Relay</c> moves as its description says. Entities and statuses of this class only, since all tests share the meter.</summary>
public sealed class MeterTests
{
    private const int OddStatus = 299;

    private static readonly EntityPath Measured = EntityPath.Parse("measured");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Instruments_OfAListenerAndASender_MoveAsTheyShould()
    {
        using var seen = new Watch();
        await using var bed = await RelayTestBed.StartAsync(change: options => options with { Entities = [new EmulatorEntity(Measured), .. options.Entities] });
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var entered = new SemaphoreSlim(0);
        var listener = await bed.ListenAsync(
            async (_, _) =>
            {
                entered.Release();
                await gate.Task;
                return RelayResponse.Empty(OddStatus);
            },
            options => options with { Entity = Measured, ConcurrentRequestsMax = 1 });
        seen.Sum("relay.listener.online", "entity", Measured.Value).ShouldBe(1);
        seen.Sum("relay.listener.connections").ShouldBeGreaterThanOrEqualTo(1);

        var sender = bed.Sender();
        var first = sender.SendAsync(Measured, new RelayCall(), Cancel);
        await entered.WaitAsync(Cancel);
        seen.Count("relay.listener.requests_in_work", +1).ShouldBeGreaterThanOrEqualTo(1);
        var refusedBefore = seen.Sum("relay.listener.requests_refused");
        (await sender.SendAsync(Measured, new RelayCall(), Cancel)).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(503);
        seen.Sum("relay.listener.requests_refused").ShouldBeGreaterThan(refusedBefore);
        gate.SetResult();
        (await first).ShouldBeOfType<RelayReply.Answered>().StatusCode.ShouldBe(OddStatus);
        seen.Sum("relay.listener.requests", "status", OddStatus).ShouldBe(1);
        seen.Sum("relay.listener.request_duration").ShouldBeGreaterThan(0);
        seen.Count("relay.listener.requests_in_work", -1).ShouldBeGreaterThanOrEqualTo(1);

        seen.Sum("relay.sender.calls", "outcome", "answered").ShouldBeGreaterThanOrEqualTo(2);
        seen.Sum("relay.sender.call_duration").ShouldBeGreaterThan(0);
        var missed = seen.Sum("relay.sender.calls", "outcome", "not_delivered");
        (await sender.SendAsync(EntityPath.Parse("nowhere"), new RelayCall(), Cancel)).ShouldBeOfType<RelayReply.NotDelivered>();
        seen.Sum("relay.sender.calls", "outcome", "not_delivered").ShouldBeGreaterThan(missed);

        await bed.Emulator.DisconnectListenersAsync(Measured);
        await seen.UntilAsync("relay.listener.online", "entity", Measured.Value, values => values.Any(v => v < 0) && values.Sum() == 1);
        seen.Sum("relay.listener.connect_failures", "fault", nameof(RelayFault.ConnectionLost)).ShouldBeGreaterThanOrEqualTo(1);
        listener.Status.ConnectionsMade.ShouldBeGreaterThanOrEqualTo(2);
    }

    [Fact]
    public async Task Renewals_AndUnknownOutcomes_AreCounted()
    {
        using var seen = new Watch();
        var clock = FakeTime.New();
        await using var bed = await RelayTestBed.StartAsync(clock, options => options with { Entities = [new EmulatorEntity(Measured), .. options.Entities] });
        await bed.ListenAsync((_, _) => Task.FromResult(RelayResponse.Empty(OddStatus)), options => options with { Entity = Measured, Connection = options.Connection with { Clock = clock } });
        var renewed = seen.Sum("relay.listener.token_renewals");
        clock.Advance(TimeSpan.FromMinutes(46));
        await seen.UntilAsync("relay.listener.token_renewals", null, null, values => values.Sum() > renewed);

        var stuck = await bed.ScriptAsync();
        var unknown = seen.Sum("relay.sender.calls", "outcome", "unknown");
        using var sender = new RelaySender(bed.Connection("send", RelayTestBed.SendKey) with { Clock = TimeProvider.System });
        var call = sender.SendAsync(RelayTestBed.Hyco, new RelayCall(), Cancel);
        await stuck.ReadAsync();
        stuck.Socket.Abort();
        (await call).ShouldBeOfType<RelayReply.OutcomeUnknown>();
        seen.Sum("relay.sender.calls", "outcome", "unknown").ShouldBeGreaterThan(unknown);
    }

    [Fact]
    public void Names_AreThoseDashboardsRelyOn()
    {
        using var seen = new Watch();
        seen.Names.Order().ShouldBe(
        [
            "relay.listener.connect_failures", "relay.listener.connections", "relay.listener.online", "relay.listener.request_duration", "relay.listener.requests",
            "relay.listener.requests_in_work", "relay.listener.requests_refused", "relay.listener.token_renewals", "relay.sender.call_duration", "relay.sender.calls",
        ]);
    }

    /// <summary>Every measurement since it was made.</summary>
    private sealed class Watch : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentQueue<(string Name, double Value, KeyValuePair<string, object?>[] Tags)> _all = [];
        private readonly ConcurrentDictionary<string, bool> _names = [];
        private volatile TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Watch()
        {
            System.Runtime.CompilerServices.RuntimeHelpers.RunClassConstructor(typeof(RelayMeter).TypeHandle);
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name != "Backup.Relay") return;
                _names[instrument.Name] = true;
                listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument.Name, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument.Name, value, tags));
            _listener.Start();
        }

        public IEnumerable<string> Names => _names.Keys;

        public double Sum(string name, string? tag = null, object? value = null) => Values(name, tag, value).Sum();

        public int Count(string name, double change) => Values(name, null, null).Count(v => v == change);

        public async Task UntilAsync(string name, string? tag, object? value, Func<IReadOnlyList<double>, bool> holds)
        {
            while (true)
            {
                var next = _next.Task;
                if (holds([.. Values(name, tag, value)])) return;
                await next.WaitAsync(TimeSpan.FromSeconds(30), Cancel);
            }
        }

        public void Dispose() => _listener.Dispose();

        private IEnumerable<double> Values(string name, string? tag, object? value) =>
            _all.Where(m => m.Name == name && (tag is null || m.Tags.Any(t => t.Key == tag && Equals(t.Value, value)))).Select(m => m.Value);

        private void Add(string name, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            _all.Enqueue((name, value, tags.ToArray()));
            Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
        }
    }
}
