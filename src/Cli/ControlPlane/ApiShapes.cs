namespace Backup.Cli.ControlPlane;

// What the control plane says of agents and keys. The same records are what --json prints.

/// <summary>An agent as the control plane finds it.</summary>
internal sealed record AgentLine(string Name, string Site, bool IsAnswering, AgentProblem? Problem, AgentHealthLine? Health, AgentInventoryLine? Inventory, IReadOnlyList<AgentKeyLine> Keys);

/// <summary>Why an agent does not answer.</summary>
internal sealed record AgentProblem(string Text, string Hint);

/// <summary>An agent's account of itself.</summary>
internal sealed record AgentHealthLine(string Version, DateTimeOffset StartedAt, DateTimeOffset Now, int JobsRunning, int JobsQueued);

/// <summary>The keys an agent itself holds and trusts.</summary>
internal sealed record AgentInventoryLine(IReadOnlyList<string> KeyIds, IReadOnlyList<string> TrustedKeyIds);

/// <summary>A key the control plane knows an agent by.</summary>
/// <param name="Id">The fingerprint: 32 hexadecimal digits.</param>
/// <param name="State"><c>current</c>, <c>previous</c>, <c>revoked</c>, or <c>file</c> for one that was pinned by hand.</param>
/// <param name="PinnedAt">Since when; null for a file.</param>
/// <param name="AcceptUntil">With <c>previous</c>: until when its answers count.</param>
internal sealed record AgentKeyLine(string Id, string State, DateTimeOffset? PinnedAt, DateTimeOffset? AcceptUntil);

internal sealed record AgentList(IReadOnlyList<AgentLine> Items);

/// <summary>A one-time code.</summary>
internal sealed record InvitationLine(string Agent, string Code, DateTimeOffset ExpiresAt);

internal sealed record InvitationWish(int Minutes);

internal sealed record OverlapWish(int OverlapSeconds);

internal sealed record NoWish;

/// <summary>What became of a change of keys at one agent.</summary>
internal sealed record KeyOutcomeLine(string Agent, bool Done, string? KeyId, string? Text, string? Hint);

/// <summary>What became of a change of keys at every agent.</summary>
internal sealed record KeyOutcomesLine(string KeyId, bool AllDone, IReadOnlyList<KeyOutcomeLine> Agents);

/// <summary>A revoked agent key.</summary>
internal sealed record RevocationLine(string Agent, string KeyId, bool IsNew);

/// <summary>The control plane's own keys.</summary>
internal sealed record ControlPlaneKeysLine(string Name, IReadOnlyList<ControlPlaneKeyLine> Keys);

/// <summary>One of them.</summary>
/// <param name="Id">The fingerprint.</param>
/// <param name="State"><c>current</c> or <c>next</c>.</param>
/// <param name="ConfirmedBy">With <c>next</c>: the agents that trust it, which are ordered with it already.</param>
internal sealed record ControlPlaneKeyLine(string Id, string State, IReadOnlyList<string>? ConfirmedBy);
