using Backup.Standalone.Durable.Entities;

namespace Backup.Standalone.Durable.Clients;

/// <summary>What may be an instance id.</summary>
internal static class InstanceIds
{
    /// <summary>The longest id, in characters.</summary>
    public const int LengthMax = 512;

    /// <exception cref="ArgumentException">The id is empty, too long, looks like an entity's or holds a null character.</exception>
    public static void Check(string instanceId)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        EntityIds.Refuse(instanceId);
        if (instanceId.Length > LengthMax || instanceId.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException(
                $"'{instanceId}' is not an instance id: at most {LengthMax} characters, no null character.", nameof(instanceId));
        }
    }
}
