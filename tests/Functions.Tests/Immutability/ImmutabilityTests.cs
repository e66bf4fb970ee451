using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Azure;
using Azure.Storage.Blobs;
using Backup.Catalog.Alerts;
using Backup.Catalog.Immutability;
using Backup.Catalog.Retention;
using Backup.Functions.Http;
using Backup.Functions.Immutability;
using Backup.Functions.Replication;
using Backup.Functions.Retention;
using Backup.Functions.Tests.Scripted;
using Backup.Policy;
using Backup.Policy.Archive;
using Backup.Policy.Immutability;
using Backup.Services.Testing;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;

namespace Backup.Functions.Tests.Immutability;

/// <summary>With the emulated locks that storage on this machine has: Azurite keeps none. Real containers with version-level immutability were never at hand.</summary>
public sealed class ImmutabilityTests(PostgresFixture postgres, AzuriteFixture azurite)
{
    private static string PolicyOf(string published = "immutableFor: 3650d", string notes = "", string locks = "lockFor: 30d") => $$"""
        version: 1
        sites: [ { name: lab } ]
        tiers: [ { name: locked, container: replica-locked, accessTier: Hot, immutable: { {{locks}} } } ]
        agents: [ { name: lab-agent-1, site: lab } ]
        serviceClasses: [ { name: brief, rto: 1h, rpo: 1h, retention: { keepLast: 1 } } ]
        dataClasses: [ { name: papers, retention: { keepLast: 1, {{published}} } } ]
        retention: { percentMax: 80 }
        assets:
          - { name: notes, kind: files, agent: lab-agent-1, vault: main, serviceClass: brief, dataClass: active, paths: [/notes], replicateTo: [locked]{{notes}} }
          - { name: paper, kind: files, agent: lab-agent-1, vault: main, serviceClass: brief, dataClass: papers, paths: [/paper], replicateTo: [locked] }
        """;

    [Fact]
    public async Task Locks_AreSetForTheWholeReplica_AndCountInThreeTwoOneOneZero()
    {
        await using var app = await StartAsync();
        app.Offsite.Objects = _ => Objects("a", "b");
        await app.BackUpAsync("notes");
        (await ProtectionAsync(app, "notes")).GetProperty("immutable").GetInt32().ShouldBe(0);

        await TickAsync(app);

        var locks = await LocksAsync(app);
        locks.Keys.ShouldBe(Objects("a", "b"), ignoreOrder: true);
        locks.Values.ShouldAllBe(l => l.Until > DateTimeOffset.UtcNow.AddDays(29) && l.Until < DateTimeOffset.UtcNow.AddDays(31) && !l.HasLegalHold);
        var shown = (await app.CallAsync(r => app.Function<ImmutabilityHttp>().GetImmutability(r, CancellationToken.None))).Body.GetProperty("replicas")[0];
        (shown.GetProperty("kind").GetString(), shown.GetProperty("isEmulated").GetBoolean(), shown.GetProperty("objects").GetInt32(), shown.GetProperty("covered").GetInt32(), shown.GetProperty("isComplete").GetBoolean())
            .ShouldBe(("emulated", true, 2, 2, true));
        (await ProtectionAsync(app, "notes")).GetProperty("immutable").GetInt32().ShouldBe(1);

        // What was copied since the last look at the locks counts after the next.
        await app.BackUpAsync("notes", "later");
        (await ProtectionAsync(app, "notes")).GetProperty("immutable").GetInt32().ShouldBe(0);
        await TickAsync(app);
        (await ProtectionAsync(app, "notes")).GetProperty("immutable").GetInt32().ShouldBe(1);
    }

    [Fact]
    public async Task PublishedPoint_IsLockedForItsYears_AndWhatCameLaterIsNot()
    {
        await using var app = await StartAsync();
        app.Offsite.Objects = _ => Objects("a");
        await app.BackUpAsync("paper");
        await TickAsync(app);
        (await app.CountAsync("replica where locked_until > now() + interval '3649 days'")).ShouldBe(1);
        app.Offsite.Objects = _ => Objects("a", "later");
        await app.BackUpAsync("notes");
        await TickAsync(app);
        var locks = await LocksAsync(app);
        locks[Object("a")].Until!.Value.ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddDays(3649));
        locks[Object("later")].Until!.Value.ShouldBeLessThan(DateTimeOffset.UtcNow.AddDays(31));
    }

    [Fact]
    public async Task Lock_IsHalfOver_IsExtended()
    {
        await using var app = await StartAsync();
        app.Offsite.Objects = _ => Objects("a", "b");
        await app.BackUpAsync("notes");
        await TickAsync(app);
        await app.ExecuteAsync($"update emulated_lock set until = now() + interval '14 days' where object_name = '{Object("a")}'");
        await TickAsync(app);
        (await LocksAsync(app)).Values.ShouldAllBe(l => l.Until > DateTimeOffset.UtcNow.AddDays(29));
    }

    [Fact]
    public async Task ManyObjects_AreLockedInBatches()
    {
        await using var app = await StartAsync();
        var many = Enumerable.Range(0, 2 * ExtendLocks.ChangesMax + 1).Select(i => Object($"x{i}")).ToArray();
        app.Offsite.Objects = _ => many;
        await app.BackUpAsync("notes");
        await TickAsync(app);
        (await LocksAsync(app)).Count.ShouldBe(many.Length);
        (await app.CountAsync("replica_lock where covered = objects")).ShouldBe(1);
    }

    [Fact]
    public async Task ObjectIsGone_TheOthersAreLocked_AndItIsTold()
    {
        var storage = new LocksOf(Objects("a", "b"));
        await using var app = await TestApp.StartAsync(postgres, policy: PolicyOf(), configure: services => services.AddSingleton<IImmutability>(storage));
        app.Offsite.Objects = _ => Objects("a", "b", "gone");
        await app.BackUpAsync("notes");
        await TickAsync(app);
        storage.Locks.Keys.ShouldBe(Objects("a", "b"), ignoreOrder: true);
        (await app.CountAsync("replica_lock where objects = 3 and covered = 2 and note like '1 objects%are not there%'")).ShouldBe(1);
        (await app.CountAsync("alert where kind = 'immutability' and closed_at is null")).ShouldBe(1);

        app.Offsite.Objects = _ => Objects("a", "b");
        await TickAsync(app);
        (await app.CountAsync("alert where kind = 'immutability' and closed_at is null")).ShouldBe(0);
    }

    [Fact]
    public async Task LegalHold_HoldsEveryObject_AndIsLiftedWithThePolicy()
    {
        var catalog = await postgres.CreateDatabaseAsync();
        await using (var app = await TestApp.StartAsync(postgres, policy: PolicyOf(notes: ", legalHold: true"), configure: Emulate, catalog: catalog))
        {
            app.Offsite.Objects = _ => Objects("a", "b");
            await app.BackUpAsync("notes");
            await TickAsync(app);
            (await LocksAsync(app)).Values.ShouldAllBe(l => l.HasLegalHold);
            (await app.CountAsync("replica_lock where held = 2")).ShouldBe(1);
        }

        await using var later = await TestApp.StartAsync(postgres, policy: PolicyOf(), configure: Emulate, catalog: catalog);
        later.Offsite.Objects = _ => Objects("a", "b");
        await TickAsync(later);
        (await LocksAsync(later)).Values.ShouldAllBe(l => !l.HasLegalHold && l.Until > DateTimeOffset.UtcNow);
    }

    [Fact]
    public async Task Container_OfATierWithThatScope_LocksEveryObjectFromItsCreation_AndHoldsThemAll()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: PolicyOf("keepWithin: 1d", ", legalHold: true", "lockFor: 30d, scope: container"), configure: Emulate);
        app.Offsite.BlobEndpoint = azurite.BlobEndpoint;
        app.Offsite.Objects = _ => Objects("a", "b");
        var container = new BlobServiceClient(azurite.ConnectionString).GetBlobContainerClient("replica-locked");
        await container.CreateAsync();
        foreach (var name in Objects("a", "b"))
        {
            await container.UploadBlobAsync($"{ScriptedAgent.VaultId}/{name}", BinaryData.FromString("x"));
        }

        await app.BackUpAsync("notes");
        await TickAsync(app);
        (await app.CountAsync("emulated_lock")).ShouldBe(0, "no object has a lock of its own");
        var shown = (await app.CallAsync(r => app.Function<ImmutabilityHttp>().GetImmutability(r, CancellationToken.None))).Body;
        shown.GetProperty("tiers")[0].GetProperty("scope").GetString().ShouldBe("container");
        var replica = shown.GetProperty("replicas")[0];
        (replica.GetProperty("isEmulated").GetBoolean(), replica.GetProperty("covered").GetInt32(), replica.GetProperty("underLegalHold").GetInt32(), replica.GetProperty("isComplete").GetBoolean()).ShouldBe((true, 2, 2, true));
        (await ProtectionAsync(app, "notes")).GetProperty("immutable").GetInt32().ShouldBe(1);
        var locks = await app.Services.GetRequiredService<IImmutability>().ListAsync(Place(app), CancellationToken.None);
        locks.Values.ShouldAllBe(l => l.HasLegalHold && l.Until > DateTimeOffset.UtcNow.AddDays(29) && l.Until < DateTimeOffset.UtcNow.AddDays(31));

        // A promise beyond the container's retention cannot be kept by extending single objects: a person has to know.
        app.Offsite.Objects = _ => Objects("a", "b", "unlocked");
        await app.BackUpAsync("notes", "later");
        await TickAsync(app);
        (await app.Services.GetRequiredService<AlertStore>().ListAsync(true, null, 10, CancellationToken.None)).Items.ShouldContain(a => a.Kind == AlertKind.Immutability && a.Text.StartsWith("1 of 3 objects", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Retention_NeverTriesToDeleteWhatIsLocked_AndSaysUntilWhen()
    {
        await using var app = await StartAsync();
        string[] objects = [.. Objects("a", "b", "c")];
        app.Offsite.Objects = _ => objects;
        for (var i = 0; i < 3; i++)
        {
            await app.BackUpAsync("notes", $"s{i}");
        }

        await TickAsync(app);
        await app.ExecuteAsync($"update emulated_lock set until = now() - interval '1 second' where object_name = '{objects[0]}'");
        await app.ExecuteAsync($"update emulated_lock set legal_hold = true where object_name = '{objects[2]}'");
        app.Offsite.Surplus = (_, _) => new OffsiteSurplus([new TierObject(objects[2], 1, DateTimeOffset.UtcNow.AddDays(-300))], [.. objects.Take(2).Select(name => new TierObject(name, 1, DateTimeOffset.UtcNow.AddDays(-300)))]);
        await app.Function<RetentionTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        var ending = await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));

        ending.Failure.ShouldBeNull();
        app.Offsite.Removed.Distinct().ShouldBe([objects[0]]);
        ending.Note.ShouldContain("1 objects stay as long as a legal hold stands.");
        ending.Note.ShouldContain($"1 objects are locked until {(await LocksAsync(app))[objects[1]].Until:yyyy-MM-dd}.");
        (await app.CountAsync("replica_removal where removed_at is null")).ShouldBe(2);

        // Once the lock is over it goes: what was noted is remembered.
        await app.ExecuteAsync($"update emulated_lock set until = now() - interval '1 second'");
        app.Offsite.Surplus = (_, query) => query.Dropped.Contains(objects[1]) ? new OffsiteSurplus([], [new TierObject(objects[1], 1, DateTimeOffset.UtcNow.AddDays(-300))]) : new OffsiteSurplus([], []);
        await app.Function<RetentionTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        await app.OutcomeAsync<RetentionEnding>(InstanceIds.Retention("lab-agent-1", "main"));
        app.Offsite.Removed.ShouldContain(objects[1]);
    }

    [Fact]
    public async Task ContainerHasNoImmutability_IsToldAndCountsForNothing()
    {
        await using var app = await TestApp.StartAsync(postgres, policy: PolicyOf());
        await app.BackUpAsync("notes");
        await TickAsync(app);
        var alert = (await app.Services.GetRequiredService<AlertStore>().ListAsync(true, null, 10, CancellationToken.None)).Items.ShouldHaveSingleItem();
        (alert.Kind, alert.Text).ShouldSatisfyAllConditions(a => a.Kind.ShouldBe(AlertKind.Immutability), a => a.Text.ShouldContain("has no version-level immutability"));
        (await ProtectionAsync(app, "notes")).GetProperty("immutable").GetInt32().ShouldBe(0);
    }

    /// <summary>
    /// The rights in a signature stand in it in clear: i would set policies and holds, t and w change blobs, d and x delete, y delete for good. Azurite does not judge what it
    /// does not know (it answers such a request with 500), so that the service refuses is not seen here.
    /// </summary>
    [Theory]
    [InlineData(ReplicaRights.Copy, "rcl")]
    [InlineData(ReplicaRights.Read, "rl")]
    public async Task Grant_ToAnAgent_HoldsNoRightToTouchLocks(ReplicaRights rights, string expected)
    {
        var store = Store();
        await store.GrantAsync(new("locked"), "grant-locks", ReplicaRights.Copy, CancellationToken.None);
        var grant = await store.GrantAsync(new("locked"), "grant-locks", rights, CancellationToken.None);
        grant.Sas.Split('&').Single(p => p.StartsWith("sp=", StringComparison.Ordinal)).ShouldBe($"sp={expected}");
    }

    [Fact]
    public async Task Azurite_KeepsNoLocks_SoTheyAreEmulatedThere()
    {
        var client = new BlobServiceClient(azurite.ConnectionString).GetBlobContainerClient($"c{Guid.NewGuid():N}");
        await client.CreateAsync();
        await client.UploadBlobAsync("x", BinaryData.FromString("x"));
        (await Should.ThrowAsync<RequestFailedException>(() => client.GetBlobClient("x").SetLegalHoldAsync(true))).Status.ShouldBe(501);
        (await client.GetPropertiesAsync()).Value.HasImmutableStorageWithVersioning.ShouldBeFalse();
        var place = new ReplicaPlaceId(client.Uri, ScriptedAgent.VaultId, new("locked"));
        (await new AzureImmutability(Store(), null!, null!).KindOfAsync(place, CancellationToken.None)).ShouldBe(LockKind.Emulated);
    }

    private static string Object(string name)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)));
        return $"data/{hash[..2]}/{hash}";
    }

    private static string[] Objects(params string[] names) => [.. names.Select(Object)];

    private void Emulate(IServiceCollection services) => services.AddSingleton<IImmutability>(s => new AzureImmutability(Store(), s.GetRequiredService<LockStore>(), s.GetRequiredService<PolicyDocument>()));

    private Task<TestApp> StartAsync() => TestApp.StartAsync(postgres, policy: PolicyOf(), configure: Emulate);

    private AzureOffsiteStore Store() => new(
        new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Offsite:ConnectionString"] = azurite.ConnectionString }).Build(), TimeProvider.System);

    private static ReplicaPlaceId Place(TestApp app) => new(app.Offsite.AddressOf(new("locked"), "replica-locked"), ScriptedAgent.VaultId, new("locked"));

    private static Task<IReadOnlyDictionary<string, ObjectLock>> LocksAsync(TestApp app) => app.Services.GetRequiredService<LockStore>().EmulatedAsync(Place(app), CancellationToken.None);

    private static async Task<JsonElement> ProtectionAsync(TestApp app, string asset) =>
        (await app.CallAsync(r => app.Function<ProtectionHttp>().GetProtection(r, asset, CancellationToken.None))).Body;

    /// <summary>A container that keeps locks itself, of the objects it has.</summary>
    private sealed class LocksOf(string[] objects) : IImmutability
    {
        public ConcurrentDictionary<string, ObjectLock> Locks { get; } = [];

        public Task<LockKind> KindOfAsync(ReplicaPlaceId place, CancellationToken cancel) => Task.FromResult(LockKind.Version);

        public Task<IReadOnlyDictionary<string, ObjectLock>> ListAsync(ReplicaPlaceId place, CancellationToken cancel) => Task.FromResult<IReadOnlyDictionary<string, ObjectLock>>(Locks);

        public Task RequireContainerAsync(ReplicaPlaceId place, TimeSpan retention, bool isHeld, CancellationToken cancel) => Task.CompletedTask;

        public Task<int> ExtendAsync(ReplicaPlaceId place, IReadOnlyList<LockExtension> extensions, bool isFinal, CancellationToken cancel) =>
            Task.FromResult(extensions.Where(e => objects.Contains(e.Name)).Count(e => (Locks[e.Name] = new ObjectLock(e.Until, false)).Until is not null));

        public Task<int> HoldAsync(ReplicaPlaceId place, IReadOnlyList<string> names, bool isHeld, CancellationToken cancel) => Task.FromResult(0);
    }

    private static async Task TickAsync(TestApp app)
    {
        await app.Function<LockTimer>().RunAsync(new TimerInfo(), app.Client, CancellationToken.None);
        (await app.OutcomeAsync<LockProgress>(InstanceIds.Locks(Place(app).Container, ScriptedAgent.VaultId))).IsDone.ShouldBeTrue();
    }
}
