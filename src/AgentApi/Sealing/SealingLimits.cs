namespace Backup.AgentApi;

/// <summary>The limits and safety margins of sealed messages, with the reason for each.</summary>
public static class SealingLimits
{
    /// <summary>
    /// Bytes of a sealed order, at most 256 KiB: a backup order with thousands of paths fits; anything larger is not an order.
    /// Checked before any cryptography, because anyone with a Send key can make an agent look at bytes.
    /// </summary>
    public const int OrderBytesMax = 256 * 1024;

    /// <summary>Bytes of a sealed answer, at most 4 MiB: a full page of snapshots with long tags fits.</summary>
    public const int AnswerBytesMax = 4 * 1024 * 1024;

    /// <summary>Bytes of an enrolment's request and welcome, at most 64 KiB: two identities fit many times over, and anybody may send one.</summary>
    public const int EnrolmentBytesMax = 64 * 1024;

    /// <summary>How long an order lives unless its sender says otherwise: long enough for a slow link, short enough to be worthless soon.</summary>
    public static readonly TimeSpan OrderLifetimeDefault = TimeSpan.FromMinutes(5);

    /// <summary>The longest life an agent accepts: bounds how long it must remember the ids of queries.</summary>
    public static readonly TimeSpan OrderLifetimeMax = TimeSpan.FromHours(1);

    /// <summary>
    /// How far the two clocks may differ, either way. Generous, because a lab node without time synchronisation must still be
    /// backed up; replays inside it are harmless, because an order id is one job for ever.
    /// </summary>
    public static readonly TimeSpan ClockSkewMax = TimeSpan.FromMinutes(10);
}
