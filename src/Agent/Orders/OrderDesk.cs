using Backup.Agent.Jobs;
using Backup.Agent.Keys;
using Backup.AgentApi;
using Microsoft.Extensions.Logging;

namespace Backup.Agent.Orders;

/// <summary>What to send back: an HTTP status and an envelope, empty when the sender is not known to be ours.</summary>
internal readonly record struct OrderReply(int Status, ReadOnlyMemory<byte> Body)
{
    /// <summary>Says nothing: whoever sent this learns only that it was not accepted.</summary>
    public static OrderReply Refused { get; } = new(400, ReadOnlyMemory<byte>.Empty);
}

/// <summary>Answers queries about the agent and its vaults.</summary>
internal interface IAgentFacts
{
    Task<AgentHealth> HealthAsync(CancellationToken cancel);

    AgentInventory Inventory();

    LogTail Log(LogQuery query);

    /// <summary>A page of what prune has deleted from a vault, or why there is none.</summary>
    Task<(DeletionPage? Page, Failure? Refusal)> DeletionsAsync(DeletionsQuery query, CancellationToken cancel);

    /// <summary>A page of what a survey found, or why there is none.</summary>
    (SurveyPacksPage? Page, Failure? Refusal) SurveyPacks(SurveyPacksQuery query);

    RpoReadings Rpo();

    /// <summary>A page of a vault's snapshots, or why there is none.</summary>
    Task<(SnapshotPage? Page, Failure? Refusal)> SnapshotsAsync(SnapshotsQuery query, CancellationToken cancel);
}

/// <summary>Takes sealed orders in and hands sealed answers out. Knows nothing of how they travel.</summary>
/// <remarks>(1) open (2) job orders: journal, then answer (3) queries: answer from state (4) seal.</remarks>
internal sealed class OrderDesk(OrderOpener opener, JobBook book, IAgentFacts facts, IAgentKeys keys, ILogger<OrderDesk> log)
{
    public async Task<OrderReply> AnswerAsync(ReadOnlyMemory<byte> envelope, CancellationToken cancel)
    {
        OpenedOrder order;
        try
        {
            order = opener.Open(envelope.Span);                                                                   // (1)
        }
        catch (AgentApiException e)
        {
            OrderLog.NotAccepted(log, e.Fault, e.Message.Split('\n')[0], e.Hint);
            return e.SealedRefusal is { } refusal ? new OrderReply(200, refusal) : OrderReply.Refused;
        }

        var answer = order.Operation.IsJob()
            ? AcceptJob(order)                                                                                    // (2)
            : await AnswerQueryAsync(order, cancel).ConfigureAwait(false);                                        // (3)
        return new OrderReply(200, answer);                                                                       // (4)
    }

    private byte[] AcceptJob(OpenedOrder order)
    {
        try
        {
            var acceptance = book.Accept(order.Claim, order.Payload, verdict => OrderLog.JobOrdered(log, order.OrderId.Value, order.Operation, verdict));
            return acceptance switch
            {
                null => Refuse(order, FailureCode.Busy, $"The agent has {JobBook.UnfinishedJobsMax} jobs that have not ended.", "Order again later.", isTransient: true),
                { Verdict: ReplayVerdict.Conflict } => Refuse(
                    order, FailureCode.OrderIdReused, $"The order id {order.OrderId} was used for something else.", "Order under a new id."),
                { Ticket: var ticket } => opener.SealAnswer(order, ticket),
            };
        }
        catch (IOException e)
        {
            return CannotJournal(order, e);
        }
    }

    private async Task<byte[]> AnswerQueryAsync(OpenedOrder order, CancellationToken cancel)
    {
        switch (order.Payload)
        {
            case JobQuery query:
                return opener.SealAnswer(order, await book.WaitAsync(query.OrderId, TimeSpan.FromSeconds(query.WaitSeconds), cancel).ConfigureAwait(false));
            case CancelOrder stop:
                return Cancel(order, stop);
            case HealthQuery:
                return opener.SealAnswer(order, await facts.HealthAsync(cancel).ConfigureAwait(false));
            case InventoryQuery:
                return opener.SealAnswer(order, facts.Inventory());
            case RpoQuery:
                return opener.SealAnswer(order, facts.Rpo());
            case LogQuery query:
                return opener.SealAnswer(order, facts.Log(query));
            case SnapshotsQuery query:
                return Answer(order, await facts.SnapshotsAsync(query, cancel).ConfigureAwait(false));
            case DeletionsQuery query:
                return Answer(order, await facts.DeletionsAsync(query, cancel).ConfigureAwait(false));
            case SurveyPacksQuery query:
                return Answer(order, facts.SurveyPacks(query));
            case RotateAgentKey or TrustControlPlaneKey or RevokeControlPlaneKey:
                return ChangeKeys(order);
            default:
                return Refuse(order, FailureCode.UnknownOperation, "This agent does not know the operation.", "Update the agent.");
        }
    }

    private byte[] Cancel(OpenedOrder order, CancelOrder stop)
    {
        try
        {
            OrderLog.CancelOrdered(log, stop.OrderId.Value);
            return opener.SealAnswer(order, book.Cancel(stop.OrderId));
        }
        catch (IOException e)
        {
            return CannotJournal(order, e);
        }
    }

    private byte[] ChangeKeys(OpenedOrder order)
    {
        try
        {
            return order.Payload switch
            {
                RotateAgentKey rotate => Answer(order, keys.Rotate(rotate)),
                TrustControlPlaneKey trust => Answer(order, keys.Trust(trust, order.Sender)),
                RevokeControlPlaneKey revoke => Answer(order, keys.Revoke(revoke, order.Sender)),
                _ => throw new ArgumentException($"{order.Operation} changes no key.", nameof(order)),
            };
        }
        catch (IOException e)
        {
            return CannotJournal(order, e);
        }
    }

    private byte[] Answer<TAnswer>(OpenedOrder order, (TAnswer? Answer, Failure? Refusal) outcome)
        where TAnswer : class => outcome.Answer is { } answer ? opener.SealAnswer(order, answer) : opener.SealRefusal(order, outcome.Refusal!);

    private byte[] CannotJournal(OpenedOrder order, IOException e)
    {
        OrderLog.CannotJournal(log, order.OrderId.Value, e);
        return Refuse(
            order, FailureCode.DiskFull, "The agent cannot write to its state folder, so it takes nothing on.", "Free space in the agent's state folder.", isTransient: true);
    }

    private byte[] Refuse(OpenedOrder order, FailureCode code, string message, string hint, bool isTransient = false) =>
        opener.SealRefusal(order, new Failure { Code = code, Message = message, Hint = hint, IsTransient = isTransient });
}
