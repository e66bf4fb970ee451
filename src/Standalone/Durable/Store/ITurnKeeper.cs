namespace Backup.Standalone.Durable.Store;

/// <summary>
/// The worker of this process, as commits see it: an instance that a commit gives something to do may be claimed for it in the
/// same transaction, so that its turn begins without another look at the database.
/// </summary>
internal interface ITurnKeeper
{
    /// <summary>The id under which work is claimed.</summary>
    int WorkerId { get; }

    /// <summary>Sets capacity aside for turns.</summary>
    /// <returns>How many may be claimed.</returns>
    int Reserve(int wanted);

    /// <summary>Gives back capacity of a commit that failed.</summary>
    void Unreserve(int count);

    /// <summary>Runs turns for which capacity was set aside.</summary>
    /// <param name="turns">What was claimed.</param>
    /// <param name="now">The database's clock at the commit, UTC.</param>
    void Run(IReadOnlyList<KeptTurn> turns, DateTime now);
}

/// <summary>An instance claimed in the transaction that gave it something to do.</summary>
/// <param name="Claim">The claim.</param>
/// <param name="Started">The instance, if the transaction has made it; null: it has a state of its own.</param>
/// <param name="Messages">Everything its inbox holds that may be seen now.</param>
internal sealed record KeptTurn(TurnClaim Claim, InstanceRecord? Started, IReadOnlyList<InboxMessage> Messages);
