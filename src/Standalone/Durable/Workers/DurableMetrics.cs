using System.Diagnostics.Metrics;

namespace Backup.Standalone.Durable.Workers;

/// <summary>The numbers an operator watches, under the meter <c>Backup.Standalone.Durable</c>.</summary>
internal sealed class DurableMetrics : IDisposable
{
    public const string MeterName = "Backup.Standalone.Durable";

    private readonly Meter _meter;
    private readonly Counter<long> _turns;
    private readonly Histogram<double> _turnSeconds;
    private readonly Histogram<long> _replayEvents;
    private readonly UpDownCounter<long> _activities;
    private readonly Histogram<double> _activitySeconds;
    private QueueState _queues;

    public DurableMetrics(IMeterFactory? factory)
    {
        _meter = factory?.Create(MeterName) ?? new Meter(MeterName);
        _turns = _meter.CreateCounter<long>("durable.turns", "{turn}", "Orchestration turns ended");
        _turnSeconds = _meter.CreateHistogram<double>("durable.turn.duration", "s", "From the start of a turn to its commit");
        _replayEvents = _meter.CreateHistogram<long>("durable.replay.events", "{event}", "Stored events played before what is new");
        _activities = _meter.CreateUpDownCounter<long>("durable.activities.running", "{activity}", "Activities in flight in this process");
        _activitySeconds = _meter.CreateHistogram<double>("durable.activity.duration", "s", "From the start of an activity to its commit");
        _meter.CreateObservableGauge("durable.queue.orchestrations", () => _queues.Orchestrations, "{instance}", "Instances ready and not taken");
        _meter.CreateObservableGauge("durable.queue.activities", () => _queues.Activities, "{activity}", "Activity calls not taken");
        _meter.CreateObservableGauge("durable.queue.oldest_age", () => _queues.OldestSeconds, "s", "Age of the oldest thing ready and not taken");
    }

    public void TurnEnded(TimeSpan elapsed, int replayed)
    {
        _turns.Add(1);
        _turnSeconds.Record(elapsed.TotalSeconds);
        _replayEvents.Record(replayed);
    }

    public void ActivityBegan() => _activities.Add(1);

    public void ActivityEnded(TimeSpan elapsed)
    {
        _activities.Add(-1);
        _activitySeconds.Record(elapsed.TotalSeconds);
    }

    public void SetQueues(long orchestrations, long activities, double oldestSeconds) =>
        _queues = new QueueState(orchestrations, activities, oldestSeconds);

    public void Dispose() => _meter.Dispose();

    private readonly record struct QueueState(long Orchestrations, long Activities, double OldestSeconds);
}
