using Microsoft.DurableTask.Client;
using Npgsql;
using NpgsqlTypes;

namespace Backup.Standalone.Durable.Store;

/// <summary>What a commit transaction has locked and found.</summary>
internal sealed class LockedRows
{
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    public Dictionary<string, DispatchRow> Dispatch { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, (OrchestrationRuntimeStatus Status, Guid ExecutionId)> Existing { get; } = new(StringComparer.Ordinal);

    /// <summary>The owner of each activity that still exists.</summary>
    public Dictionary<long, int?> Activities { get; } = [];

    /// <summary>Unfinished sub-orchestrations by parent.</summary>
    public Dictionary<string, List<string>> Children { get; } = new(StringComparer.Ordinal);

    /// <summary>Instances that are being replaced by new ones of the same id.</summary>
    public HashSet<string> Replaced { get; } = new(StringComparer.Ordinal);

    /// <summary>The worker that may claim instances here: its row is locked, so that nobody declares it dead meanwhile; null: none.</summary>
    public int? Worker { get; private set; }

    /// <summary>The database's clock, UTC.</summary>
    public DateTime Now { get; private set; }

    /// <summary>Whether this transaction may create an instance: there is none of the id, or one that may be replaced.</summary>
    public bool TryTake(InstanceRecord instance, IReadOnlySet<OrchestrationRuntimeStatus> refusing)
    {
        if (Existing.TryGetValue(instance.InstanceId, out var existing) && refusing.Contains(existing.Status))
        {
            return false;
        }

        // Two items of one transaction may want the same id: the first one has it, as a pending instance.
        if (!_taken.Add(instance.InstanceId))
        {
            return false;
        }

        if (Existing.ContainsKey(instance.InstanceId))
        {
            Replaced.Add(instance.InstanceId);
        }

        Existing[instance.InstanceId] = (OrchestrationRuntimeStatus.Pending, instance.ExecutionId);
        return true;
    }

    public async Task ReadChildrenAsync(NpgsqlConnection connection, List<string> parents, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            "SELECT parent_id, instance_id FROM instances WHERE parent_id = ANY($1) AND completed_at IS NULL", connection);
        command.Parameters.Add(CommitTransaction.Array(parents.ToArray(), NpgsqlDbType.Text));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            var parent = reader.GetString(0);
            if (!Children.TryGetValue(parent, out var children))
            {
                Children[parent] = children = [];
            }

            children.Add(reader.GetString(1));
        }
    }

    public async Task LockAsync(
        NpgsqlConnection connection, int worker, string[] instances, string[] starting, long[] activities, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        Add(batch, "SELECT worker_id FROM workers WHERE worker_id = $1 FOR KEY SHARE", new NpgsqlParameter { Value = worker });
        Add(batch, "SELECT instance_id, owner, fence, execution_id, ready_at, attempts FROM dispatch WHERE instance_id = ANY($1) ORDER BY instance_id FOR UPDATE",
            CommitTransaction.Array(instances, NpgsqlDbType.Text));
        Add(batch, "SELECT instance_id, status, execution_id FROM instances WHERE instance_id = ANY($1) ORDER BY instance_id FOR UPDATE",
            CommitTransaction.Array(starting, NpgsqlDbType.Text));
        Add(batch, "SELECT activity_id, owner FROM activities WHERE activity_id = ANY($1) ORDER BY activity_id FOR UPDATE",
            CommitTransaction.Array(activities, NpgsqlDbType.Bigint));
        Add(batch, "SELECT clock_timestamp()");

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        Worker = await reader.ReadAsync(cancellationToken).ConfigureAwait(false) ? reader.GetInt32(0) : null;

        await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            Dispatch[reader.GetString(0)] = new DispatchRow(
                reader.IsDBNull(1) ? null : reader.GetInt32(1),
                reader.GetInt64(2),
                reader.GetGuid(3),
                reader.IsDBNull(4) ? null : reader.GetDateTime(4),
                reader.GetInt32(5));
        }

        await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            Existing[reader.GetString(0)] = ((OrchestrationRuntimeStatus)reader.GetInt16(1), reader.GetGuid(2));
        }

        await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
        {
            Activities[reader.GetInt64(0)] = reader.IsDBNull(1) ? null : reader.GetInt32(1);
        }

        await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
        await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        Now = reader.GetDateTime(0);
    }

    private static void Add(NpgsqlBatch batch, string sql, params NpgsqlParameter[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        batch.BatchCommands.Add(command);
    }
}

/// <summary>Who works on an instance, and when it next has something to do.</summary>
internal readonly record struct DispatchRow(int? Owner, long Fence, Guid ExecutionId, DateTime? ReadyAt, int Attempts);
