using System.Collections.Concurrent;
using System.Text.Json;
using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Policy;
using SourceKind = Backup.AgentApi.SourceKind;

namespace Backup.Functions.Tests.Scripted;

/// <summary>
/// An agent at the far end of the link: keeps a journal as real agents do (one order id is one job for ever), and does what its
/// script says.
/// </summary>
internal sealed class ScriptedAgent : IAgentLink
{
    private readonly Lock _gate = new();
    private readonly Dictionary<OrderId, (string Fingerprint, JobReport Report)> _journal = [];
    private readonly ConcurrentDictionary<OrderId, int> _polls = [];
    private readonly Dictionary<OrderId, IReadOnlyList<string>> _surveys = [];
    private readonly HashSet<OrderId> _backups = [];
    private int _silences;

    /// <summary>Everything succeeds at once.</summary>
    public static readonly Func<OrderId, OrderPayload, JobReport> SucceedAlways = (id, order) => Succeed(id, order);

    /// <summary>What a new job becomes. By default everything succeeds at once.</summary>
    public Func<OrderId, OrderPayload, JobReport> Work { get; set; } = SucceedAlways;

    /// <summary>The most backups that were ordered and not yet seen to end.</summary>
    public int BackupsAtOnceMax { get; private set; }

    /// <summary>Every send that reached the agent, in order.</summary>
    public ConcurrentQueue<(OrderId Id, OrderPayload Order)> Received { get; } = [];

    /// <summary>Distinct jobs, whatever the number of times they were ordered.</summary>
    public int JobCount
    {
        get
        {
            lock (_gate)
            {
                return _journal.Count;
            }
        }
    }

    /// <summary>The answer of each first sending of a job order gets lost on the way back.</summary>
    public bool LosesFirstAnswers { get; set; }

    /// <summary>This many questions about a job are answered as still running.</summary>
    public int PollsBeforeTheEnd { get; set; }

    /// <summary>Told of each question about a job, with how many there have been.</summary>
    public Action<OrderId, int>? Polled { get; set; }

    /// <summary>The journal is lost after this many questions; null for never.</summary>
    public int? ForgetsAfterPolls { get; set; }

    /// <summary>Snapshots of each vault, in pages.</summary>
    public IReadOnlyList<SnapshotPage> Pages { get; set; } = [];

    /// <summary>Packs that prune has deleted.</summary>
    public IReadOnlyList<string> Deletions { get; set; } = [];

    /// <summary>Packs that surveys find.</summary>
    public IReadOnlyList<string> Surveyed { get; set; } = [];

    /// <summary>Packs that the survey of a snapshot finds, where it matters which; null for the same in all.</summary>
    public Func<string, IReadOnlyList<string>>? SurveyedOf { get; set; }

    /// <summary>What it says about how much would be lost.</summary>
    public IReadOnlyList<RpoReading> Rpo { get; set; } = [];

    /// <summary>Answers orders about keys; null for a lost answer.</summary>
    public Func<OrderPayload, object?> Keys { get; set; } = _ => null;

    /// <summary>Refuses everything.</summary>
    public Failure? Refusal { get; set; }

    /// <summary>The next sends do not reach the agent.</summary>
    public void GoSilent(int sends) => Interlocked.Exchange(ref _silences, sends);

    public Task<AgentReply<TAnswer>> SendAsync<TAnswer>(AgentName agent, OrderId id, OrderPayload<TAnswer> order, CancellationToken cancel)
        where TAnswer : class
    {
        if (Interlocked.Decrement(ref _silences) >= 0)
        {
            return Task.FromResult(new AgentReply<TAnswer>(null, null, new AgentSilence("Nobody listens.", "Start the agent.", IsTransient: true)));
        }

        Received.Enqueue((id, order));
        if (Refusal is { } refusal)
        {
            return Task.FromResult(new AgentReply<TAnswer>(null, refusal, null));
        }

        object? answer;
        lock (_gate)
        {
            answer = order switch
            {
                JobQuery query => Query(query),
                CancelOrder cancelled => Cancelled(cancelled),
                RpoQuery => new RpoReadings { Readings = Rpo },
                SnapshotsQuery query => Pages.Count == 0 ? new SnapshotPage { Snapshots = [] } : Pages[query.After is null ? 0 : int.Parse(query.After, System.Globalization.CultureInfo.InvariantCulture)],
                HealthQuery => new AgentHealth { Agent = agent.Value, Version = "1.2.3", StartedAt = DateTimeOffset.UnixEpoch, Now = DateTimeOffset.UnixEpoch, Vaults = [new VaultHealth { Name = "main", BytesTotal = 1000, BytesFree = 250 }], Copies = [new PlaceHealth { Name = "second", BytesTotal = 2000, BytesFree = 500 }] },
                DeletionsQuery => new DeletionPage { Names = Deletions },
                SurveyPacksQuery query => new SurveyPacksPage { Names = [.. _surveys[query.OrderId].Skip(query.Skip).Take(SurveyPacksQuery.PageItemsMax)] },
                InventoryQuery => Inventory(agent),
                LogQuery query => new LogTail { Lines = [new LogLine { At = DateTimeOffset.UnixEpoch, Level = "information", Text = $"{query.Lines} lines about {query.OrderId}" }] },
                RotateAgentKey or TrustControlPlaneKey or RevokeControlPlaneKey => Keys(order),
                _ => Submit(id, order),
            };
        }

        return Task.FromResult(answer switch
        {
            Failure failure => new AgentReply<TAnswer>(null, failure, null),
            null => new AgentReply<TAnswer>(null, null, new AgentSilence("The answer was lost.", "Ask again.", IsTransient: true)),
            _ => new AgentReply<TAnswer>((TAnswer)answer, null, null),
        });
    }

    public static JobReport Succeed(OrderId id, OrderPayload order, long unreadable = 0) => order switch
    {
        BackupOrder backup => new JobReport
        {
            OrderId = id,
            Operation = Operation.Backup,
            State = unreadable > 0 ? JobState.Partial : JobState.Succeeded,
            Backup = ResultOf(backup, unreadable),
        },
        ReplicateOrder => new JobReport
        {
            OrderId = id,
            Operation = Operation.Replicate,
            State = JobState.Succeeded,
            Replicate = new ReplicateResult
            {
                ObjectsTotal = 10,
                ObjectsCopied = 4,
                BytesTotal = 1000,
                BytesCopied = 400,
                ManifestName = $"{VaultId}/replica-manifests/{new string('a', 64)}",
                ManifestSha256 = new string('a', 64),
            },
        },
        RestoreOrder restore => new JobReport
        {
            OrderId = id,
            Operation = Operation.Restore,
            State = JobState.Succeeded,
            Restore = new RestoreResult { Target = restore.Target, FilesRestored = 7, BytesRestored = 100, BytesWritten = 90, VerifiedBytes = 90, EndedAt = DateTimeOffset.UnixEpoch },
        },
        SurveyOrder => new JobReport { OrderId = id, Operation = Operation.Survey, State = JobState.Succeeded, Survey = new SurveyResult { Files = 7, Bytes = 100, Packs = 0 } },
        PruneOrder prune => new JobReport
        {
            OrderId = id,
            Operation = Operation.Prune,
            State = JobState.Succeeded,
            Prune = new PruneResult { SnapshotsDropped = prune.Drops.Count, PacksMarked = 3, PacksRepacked = 1, PacksDeleted = 2, BytesFreed = 200, BytesFreedLater = 300 },
        },
        HoldOrder or ReleaseOrder => new JobReport { OrderId = id, Operation = order.Operation, State = JobState.Succeeded },
        VerifyOrder verify => new JobReport { OrderId = id, Operation = Operation.Verify, State = JobState.Succeeded, Verify = Verified(verify) },
        TidyOrder tidy => new JobReport { OrderId = id, Operation = Operation.Tidy, State = JobState.Succeeded, Tidy = new TidyResult { ObjectsRemoved = tidy.Drops.Count, BytesRemoved = 100 } },
        _ => throw new ArgumentException($"Not a job: {order}", nameof(order)),
    };

    /// <summary>Nothing is wrong; or so much is, of which so much was mended.</summary>
    public static VerifyResult Verified(VerifyOrder order, int problems = 0, int mended = 0) => new()
    {
        VaultId = VaultId,
        Depth = order.Copy is null ? "data" : "hashes",
        ObjectsChecked = 10,
        ObjectsRead = 2,
        BytesRead = 200,
        ProblemsTotal = problems,
        Problems = [.. Enumerable.Range(0, problems).Select(i => $"data/{i}: WrongHash")],
        Mended = mended,
        Quarantined = problems,
    };

    public const string VaultId = "00112233445566778899aabbccddeeff";

    public static JobReport Fail(OrderId id, FailureCode code, bool isTransient = false) => new()
    {
        OrderId = id,
        State = JobState.Failed,
        Failure = new Failure { Code = code, Message = $"It was {code}.", Hint = "Repair it.", IsTransient = isTransient },
    };

    private static BackupResult ResultOf(BackupOrder order, long unreadable) => new()
    {
        SnapshotId = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(order.RunId))),
        Asset = order.Asset,
        SourceKind = order.SourceKind,
        VaultId = VaultId,
        StartedAt = TimeProvider.System.GetUtcNow().AddSeconds(-1),
        EndedAt = TimeProvider.System.GetUtcNow(),
        BytesRead = 100,
        BytesNew = 50,
        BytesStored = 40,
        FilesTotal = 7,
        FilesUnreadableTotal = unreadable,
        FilesUnreadable = unreadable == 0 ? [] : [new UnreadableFile { Path = "/data/secret", Reason = "permission denied" }],
        ConsistencyPoint = order.SourceKind is SourceKind.Postgres ? new ConsistencyPoint { Timeline = 1, StartLsn = "0/3000028", StopLsn = "0/3000100" } : null,
    };

    private object? Submit(OrderId id, OrderPayload order)
    {
        var fingerprint = Fingerprint(order);
        var isNew = !_journal.TryGetValue(id, out var job);
        if (isNew)
        {
            var report = Work(id, order);
            if (order is SurveyOrder { SnapshotId: var snapshot })
            {
                _surveys[id] = SurveyedOf?.Invoke(snapshot) ?? Surveyed;
            }

            job = (fingerprint, report.Survey is { } survey ? report with { Survey = survey with { Packs = _surveys[id].Count } } : report);
            _journal.Add(id, job);
            if (order is BackupOrder)
            {
                _backups.Add(id);
                BackupsAtOnceMax = Math.Max(BackupsAtOnceMax, _backups.Count);
            }
        }

        if (job.Fingerprint != fingerprint)
        {
            return new Failure { Code = FailureCode.OrderIdReused, Message = "That id is another job's." };
        }

        return isNew && LosesFirstAnswers ? null : new JobTicket { OrderId = id, State = JobState.Queued };
    }

    private JobReport Query(JobQuery query)
    {
        var polls = _polls.AddOrUpdate(query.OrderId, 1, (_, n) => n + 1);
        Polled?.Invoke(query.OrderId, polls);
        if (polls == ForgetsAfterPolls)
        {
            _journal.Clear();
        }

        if (!_journal.TryGetValue(query.OrderId, out var job))
        {
            return new JobReport { OrderId = query.OrderId, State = JobState.Unknown };
        }

        if (polls > PollsBeforeTheEnd || job.Report.State == JobState.Cancelled)
        {
            _backups.Remove(query.OrderId);
            return job.Report;
        }

        return new JobReport { OrderId = query.OrderId, State = JobState.Running, Progress = new JobProgress { Phase = "reading", BytesDone = polls } };
    }

    private JobReport Cancelled(CancelOrder order)
    {
        var report = new JobReport { OrderId = order.OrderId, State = JobState.Cancelled, Failure = new Failure { Code = FailureCode.Cancelled, Message = "It was cancelled." } };
        if (_journal.TryGetValue(order.OrderId, out var job))
        {
            _journal[order.OrderId] = (job.Fingerprint, report);
        }

        return report;
    }

    private static AgentInventory Inventory(AgentName agent) => new()
    {
        Agent = agent.Value,
        Site = "lab",
        Version = "1.2.3",
        Operations = [],
        SourceKinds = [],
        Vaults = [],
        Connections = ["voids"],
        AllowedSources = [],
        RestoreRoots = [],
        ConcurrentJobs = 2,
        KeyIds = [],
        TrustedKeyIds = [],
    };

    private static string Fingerprint(OrderPayload order)
    {
        // Credentials do not make another job: a repeated order carries a fresh one.
        var json = JsonSerializer.SerializeToNode(order, order.GetType())!.AsObject();
        (json["replica"] as System.Text.Json.Nodes.JsonObject)?.Remove("sas");
        (json["from"] as System.Text.Json.Nodes.JsonObject)?.Remove("sas");
        foreach (var from in json["repairFrom"] as System.Text.Json.Nodes.JsonArray ?? []) (from as System.Text.Json.Nodes.JsonObject)?.Remove("sas");
        return json.ToJsonString();
    }
}
