using Backup.Standalone.Durable.Store;
using Microsoft.DurableTask;
using Microsoft.DurableTask.Entities;

namespace Backup.Standalone.Durable.Entities;

/// <summary>One operation as the entity's code sees it; what it does counts only if it ends well.</summary>
internal sealed class EntityOperation : TaskEntityOperation
{
    private readonly EntityRequest _request;
    private readonly DataConverter _converter;
    private readonly StateView _state;
    private readonly ContextView _context;

    public EntityOperation(EntityInstanceId id, EntityRequest request, string? state, string version, DataConverter converter)
    {
        _request = request;
        _converter = converter;
        _state = new StateView(state, converter);
        _context = new ContextView(id, version, converter);
    }

    public override string Name => _request.Operation;

    public override TaskEntityContext Context => _context;

    public override TaskEntityState State => _state;

    public override bool HasInput => _request.Input is not null;

    /// <summary>The state after the operation; null: none.</summary>
    public string? StoredState => _state.Stored;

    public IReadOnlyList<InboxMessage> Signals => _context.Signals;

    public IReadOnlyList<InstanceRecord> Started => _context.Started;

    public override object? GetInput(Type inputType) => _converter.Deserialize(_request.Input, inputType);

    private sealed class StateView(string? stored, DataConverter converter) : TaskEntityState
    {
        public string? Stored { get; private set; } = stored;

        public override bool HasState => Stored is not null;

        public override object? GetState(Type type) => converter.Deserialize(Stored, type);

        public override void SetState(object? state) => Stored = converter.Serialize(state);
    }

    private sealed class ContextView(EntityInstanceId id, string version, DataConverter converter) : TaskEntityContext
    {
        public List<InboxMessage> Signals { get; } = [];

        public List<InstanceRecord> Started { get; } = [];

        public override EntityInstanceId Id => id;

        public override void SignalEntity(EntityInstanceId id, string operationName, object? input = null, SignalEntityOptions? options = null)
        {
            ArgumentException.ThrowIfNullOrEmpty(operationName);
            Signals.Add(new EntityRequest(EntityRequestKind.Signal, operationName, converter.Serialize(input)).To(id.ToString(), options?.SignalTime));
        }

        public override string ScheduleNewOrchestration(TaskName name, object? input = null, StartOrchestrationOptions? options = null)
        {
            var instanceId = options?.InstanceId ?? Guid.NewGuid().ToString("N");
            EntityIds.Refuse(instanceId);
            Started.Add(new InstanceRecord(instanceId, Guid.NewGuid(), name.Name, options?.Version?.Version ?? version)
            {
                Input = converter.Serialize(input),
                Tags = options?.Tags,
                StartAt = options?.StartAt?.UtcDateTime,
            });
            return instanceId;
        }
    }
}
