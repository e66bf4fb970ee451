using System.Text.Json;
using Backup.AgentApi;
using Backup.Functions.Agents;
using Backup.Functions.Backups;
using Backup.Functions.Rebuilding;
using Backup.Functions.Replication;
using Backup.Functions.Tests.Scripted;
using Microsoft.Azure.Functions.Worker;
using Shouldly;

namespace Backup.Functions.Tests.Agents;

/// <summary>Inputs and outputs of orchestrations and activities survive the serialisers of both hosts.</summary>
public sealed class DurableShapeTests
{
    private static readonly JsonSerializerOptions Functions = new() { PropertyNameCaseInsensitive = true };
    private static readonly JsonSerializerOptions Registry = new() { IncludeFields = true };

    public static TheoryData<object> Shapes => new(new object[]
    {
        new AgentJobRequest { Agent = "a", OrderKey = "k", Task = new AgentTask { Backup = Backup }, Patience = new JobPatience { JobSeconds = 7 }, Attempt = 2, SilentSince = DateTime.UnixEpoch },
        new AgentSays { Kind = AgentSaysKind.Ended, Report = Report(new BackupOrder { RunId = "r", Asset = "a", SourceKind = SourceKind.Postgres, Vault = "v" }) },
        new JobOutcome { Report = Report(new RestoreOrder { RestoreId = "r", Asset = "a", SourceKind = SourceKind.Files, SnapshotId = "s", Target = "/t", From = RestoreOrigin.FromVault("v") }) },
        new PublishRequest { Plan = Plan, Result = Report(new BackupOrder { RunId = "r", Asset = "a", SourceKind = SourceKind.Files, Vault = "v" }).Backup! },
        new RunOpened { Outcome = new RunOutcome { Run = "r", Asset = "a", State = "failed", Reason = new JobFailure("c", "t", "h") } },
        new OpenRunRequest("r", new BackupRequest { Asset = "a", RequestedBy = "b" }),
        new FleetRequest { Slot = "s", RequestedBy = "b", Members = [new FleetMember("a", "g", 2)] },
        new LookOutcome(new JobFailure("c", "t", "h"), IsTransient: true),
        new MissingRequest(new("a", "v"), DateTimeOffset.UnixEpoch, "b"),
    });

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Shape_ThroughEitherSerialiser_IsTheSame(object shape)
    {
        foreach (var options in new[] { Functions, Registry })
        {
            var json = JsonSerializer.Serialize(shape, shape.GetType(), options);
            var back = JsonSerializer.Deserialize(json, shape.GetType(), options);
            JsonSerializer.Serialize(back, shape.GetType(), options).ShouldBe(json);
            json.Length.ShouldBeGreaterThan(20);
        }
    }

    [Fact]
    public void Shapes_OfEveryFunction_HaveNoPrivateSettersAndNoAbstractTypes()
    {
        var types = ReflectedFunctions.With<ActivityTriggerAttribute>().Select(f => f.Trigger.ParameterType)
            .Concat(ReflectedFunctions.With<OrchestrationTriggerAttribute>().Select(f => f.Method.GetParameters()[1].ParameterType))
            .Where(t => t != typeof(string));
        foreach (var type in types)
        {
            type.IsAbstract.ShouldBeFalse(type.Name);
            type.GetProperties().Where(p => p.SetMethod is { IsPublic: false }).Select(p => $"{type.Name}.{p.Name}").ShouldBeEmpty();
        }
    }

    private static BackupTask Backup => new() { Run = "r", Asset = "a", Kind = "files", Vault = "v", Paths = ["/p"], Excludes = ["*.tmp"], OneFileSystem = true };

    private static BackupPlan Plan => new()
    {
        Run = "r",
        Agent = "a",
        Task = Backup,
        Places = [new ReplicaPlace { Tier = "t", Container = "c", AccessTier = "Hot" }],
        Patience = new JobPatience(),
    };

    private static JobReport Report(OrderPayload order) => ScriptedAgent.Succeed(OrderId.Parse("x"), order, unreadable: 1);
}
