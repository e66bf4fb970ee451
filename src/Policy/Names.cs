namespace Backup.Policy;

/// <summary>The name of a place with agents. Kebab-case, at most <see cref="PolicyLimits.NameLengthMax"/> characters.</summary>
public readonly record struct SiteName(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>The name of an on-prem daemon, as in that agent's own configuration. Kebab-case.</summary>
public readonly record struct AgentName(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>The name of a thing to protect; it is part of run ids, snapshot metadata and order ids. Kebab-case.</summary>
public readonly record struct AssetName(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>The name of a vault in an agent's configuration. Two agents may use one name for different vaults. Kebab-case.</summary>
public readonly record struct VaultName(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>The name of an off-site tier. Kebab-case.</summary>
public readonly record struct TierName(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>The name of a service class: critical, research, development, archival, or one that the policy adds.</summary>
public readonly record struct ServiceClassName(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>The name of a data class: active, published, collaborative, archival, or one that the policy adds.</summary>
public readonly record struct DataClassName(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>The name of a group of assets that are backed up together. Kebab-case.</summary>
public readonly record struct GroupName(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}
