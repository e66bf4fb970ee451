using Backup.Services.Testing;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Microsoft.AspNetCore.Http;
using Shouldly;

namespace Backup.Vault.AzureBlob.Tests.Faults;

/// <summary>Replication and repair while the storage fails in every way: they converge, overwrite nothing and lose nothing.</summary>
public sealed class FaultyReplicationTests(AzuriteFixture azurite)
{
    private const double FaultShare = 0.35;
    private const int AttemptsMax = 100;

    private static readonly BlobStoreOptions Quick = new()
    {
        RetriesMax = 1,
        RetryDelay = TimeSpan.FromMilliseconds(1),
        RetryDelayMax = TimeSpan.FromMilliseconds(2),
        RequestTimeout = TimeSpan.FromSeconds(10),
        BlockBytes = 128 * 1024,
    };

    /// <summary>Each request of a stopped Azurite is waited for to the end.</summary>
    private static readonly BlobStoreOptions Impatient = Quick with { RequestTimeout = TimeSpan.FromSeconds(2) };

    private readonly CancellationToken _cancel = TestContext.Current.CancellationToken;

    /// <summary>How Azurite's process stops.</summary>
    public enum Stop
    {
        /// <summary>It lives and holds its connections, but does nothing (SIGSTOP).</summary>
        Paused,

        /// <summary>As by a power cut (SIGKILL).</summary>
        Killed,
    }

    public static TheoryData<int> Seeds => [11, 22, 33, Random.Shared.Next()];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Replicate_StorageFailsAtRandom_Converges(int seed)
    {
        var site = await Site.CreateAsync(azurite, seed);
        await using var proxy = site.Proxy;
        proxy.Script = FaultProxy.AtRandom(seed, FaultShare);
        var outcome = await UntilItWorksAsync(site, proxy, () => site.ReplicateAsync(site.Sas()));
        await site.ShouldBeWholeAsync(outcome);
        proxy.Faults.ShouldBeGreaterThan(0);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Replicate_TwoAtOnceWhileTheStorageFails_IsOneReplica(int seed)
    {
        var site = await Site.CreateAsync(azurite, seed);
        await using var proxy = site.Proxy;
        proxy.Script = FaultProxy.AtRandom(seed, FaultShare);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => UntilItWorksAsync(site, proxy, () => site.ReplicateAsync(site.Sas()))));
        foreach (var outcome in outcomes)
        {
            await site.ShouldBeWholeAsync(outcome);
        }
    }

    [Fact]
    public async Task Replicate_StorageIsStoppedThenComesBack_GoesOnWhereItWas()
    {
        var site = await Site.CreateAsync(azurite, 7);
        await using var proxy = site.Proxy;
        proxy.Script = (_, number) => number > 12 ? ProxyFault.Abort : ProxyFault.None;
        (await Should.ThrowAsync<VaultException>(() => site.ReplicateAsync(site.Sas()))).IsTransient.ShouldBeTrue();
        var before = proxy.Created.Count;
        before.ShouldBeGreaterThan(0);
        await site.ShouldGoOnAsync(before);
    }

    [Theory]
    [InlineData(Stop.Paused)]
    [InlineData(Stop.Killed)]
    public async Task Replicate_AzuriteItselfStopsMidWayAndComesBack_Converges(Stop stop)
    {
        await using var own = new AzuriteFixture { IsDurable = true };
        await own.InitializeAsync();
        var site = await Site.CreateAsync(own, 12);
        site.Options = Impatient;
        await using var proxy = site.Proxy;
        await WriteDownAsync(own);
        var stopped = StopAt(proxy, own, HttpMethods.Put, 5, stop);
        (await Should.ThrowAsync<VaultException>(() => site.ReplicateAsync(site.Sas()))).IsTransient.ShouldBeTrue();
        await ComeBackAsync(own, stopped, stop);
        await site.ShouldBeWholeAsync(await UntilItWorksAsync(site, proxy, () => site.ReplicateAsync(site.Sas())), mayForget: stop is Stop.Killed);
    }

    [Theory]
    [InlineData(Stop.Paused)]
    [InlineData(Stop.Killed)]
    public async Task Repair_AzuriteItselfStopsMidWayAndComesBack_BringsEveryDamagedObjectBack(Stop stop)
    {
        await using var own = new AzuriteFixture { IsDurable = true };
        await own.InitializeAsync();
        var site = await Site.CreateAsync(own, 13);
        site.Options = Impatient;
        await using var proxy = site.Proxy;
        await site.ReplicateAsync(site.Sas());
        await WriteDownAsync(own);
        site.Damage(13).ShouldBeGreaterThan(2);
        var stopped = StopAt(proxy, own, HttpMethods.Get, 3, stop);
        (await RepairOnceAsync(site)).ShouldBeFalse();
        await ComeBackAsync(own, stopped, stop);
        await RepairAsync(site);
    }

    [Fact]
    public async Task Replicate_SasEndsMidUpload_SaysSoAndAFreshOneFinishes()
    {
        var site = await Site.CreateAsync(azurite, 8);
        await using var proxy = site.Proxy;

        // The proxy holds requests back until the signature's time is over: it ends in the middle of the copy, by the storage's own clock.
        var (end, seen) = (DateTimeOffset.UtcNow.AddSeconds(4), 0);
        var sas = site.Sas(end);
        proxy.Script = (request, _) =>
        {
            if (request.Method == HttpMethods.Put && Interlocked.Increment(ref seen) > 4)
            {
                SpinWait.SpinUntil(() => DateTimeOffset.UtcNow > end.AddSeconds(2));
            }

            return ProxyFault.None;
        };
        (await Should.ThrowAsync<VaultException>(() => site.ReplicateAsync(sas))).Fault.ShouldBe(VaultFault.AccessDenied);
        var before = proxy.Created.Count;
        before.ShouldBeInRange(1, 5);
        await site.ShouldGoOnAsync(before);
    }

    [Fact]
    public async Task Replicate_EveryCreateIsAnsweredAsConflict_NeverClaimsAReplica()
    {
        var site = await Site.CreateAsync(azurite, 9);
        await using var proxy = site.Proxy;
        proxy.Script = (_, _) => ProxyFault.FalseConflict;
        await Should.ThrowAsync<VaultException>(() => site.ReplicateAsync(site.Sas()));
        proxy.Created.ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Repair_StorageFailsAtRandom_BringsEveryDamagedObjectBack(int seed)
    {
        var site = await Site.CreateAsync(azurite, seed);
        await using var proxy = site.Proxy;
        await site.ReplicateAsync(site.Sas());
        var damaged = site.Damage(seed);
        proxy.Script = FaultProxy.AtRandom(seed, FaultShare);
        damaged.ShouldBeGreaterThan(2);
        await RepairAsync(site);
    }

    /// <summary>Azurite forgets, when it is killed, what it acknowledged a moment before: what a test relies on is made to last by an orderly stop.</summary>
    private static async Task WriteDownAsync(AzuriteFixture azurite)
    {
        await azurite.Server.StopAsync();
        await azurite.Server.StartAgainAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Stops Azurite's process when the request of that number and method arrives, before it is passed on.</summary>
    private static Task StopAt(FaultProxy proxy, AzuriteFixture azurite, string method, int number, Stop stop)
    {
        var stopped = new TaskCompletionSource();
        var seen = 0;
        proxy.Script = (request, _) =>
        {
            if (request.Method == method && Interlocked.Increment(ref seen) == number)
            {
                if (stop is Stop.Paused)
                {
                    azurite.Server.Child.Pause();
                }
                else
                {
                    azurite.Server.KillAsync().GetAwaiter().GetResult();
                }

                stopped.SetResult();
            }

            return ProxyFault.None;
        };
        return stopped.Task;
    }

    private static async Task ComeBackAsync(AzuriteFixture azurite, Task stopped, Stop stop)
    {
        // While it is being killed, other requests fail already.
        await stopped.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        if (stop is Stop.Paused)
        {
            azurite.Server.Child.Resume();
        }
        else
        {
            await azurite.Server.StartAgainAsync(TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Again and again until nothing is damaged; then every snapshot reads back.</summary>
    private async Task RepairAsync(Site site)
    {
        for (var attempt = 1; !await RepairOnceAsync(site); attempt++)
        {
            attempt.ShouldBeLessThan(AttemptsMax, $"seed {site.Seed}");
        }

        foreach (var (snapshot, files) in site.Snapshots)
        {
            TestVault.Same(await site.Vault.ReadBackAsync(snapshot), files).ShouldBeTrue($"seed {site.Seed}");
        }
    }

    /// <summary>True when nothing was damaged any more; otherwise one repair was tried, whatever it came to.</summary>
    private async Task<bool> RepairOnceAsync(Site site)
    {
        var report = await Verifier.VerifyAsync(await site.Vault.OpenAsync(), new VerifyRequest { WriteLedger = false }, null, _cancel);
        if (report.Problems.Count == 0)
        {
            return true;
        }

        try
        {
            await Repairer.RepairAsync(site.Vault.Store, report.Problems, [site.Store(site.Sas())], _cancel);
        }
        catch (VaultException e) when (e.IsTransient || e.Fault is VaultFault.AccessDenied)
        {
            // The next round goes on; nothing may have got worse meanwhile.
        }

        return false;
    }

    /// <summary>Again and again, as orchestrations do, while the storage fails; each time it fails it must say so in the vault's words.</summary>
    private static async Task<ReplicationOutcome> UntilItWorksAsync(Site site, FaultProxy proxy, Func<Task<ReplicationOutcome>> replicate)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await replicate();
            }
            catch (VaultException e) when (attempt < AttemptsMax)
            {
                e.Fault.ShouldBeOneOf([VaultFault.StoreUnavailable, VaultFault.AccessDenied, VaultFault.NotFound], $"seed {site.Seed}, request {proxy.Requests}: {e}");
            }
        }
    }

    /// <summary>A vault with three snapshots in memory, and an empty container behind a proxy.</summary>
    private sealed class Site
    {
        public required int Seed { get; init; }

        public required TestVault Vault { get; init; }

        public required IReadOnlyList<(SnapshotId Id, Dictionary<string, byte[]> Files)> Snapshots { get; init; }

        public required FaultProxy Proxy { get; init; }

        public required BlobLocation Container { get; init; }

        public required AzuriteFixture Azurite { get; init; }

        /// <summary>How long requests are waited for, and how often they are tried.</summary>
        public BlobStoreOptions Options { get; set; } = Quick;

        public static async Task<Site> CreateAsync(AzuriteFixture azurite, int seed)
        {
            TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
            var vault = await TestVault.CreateAsync(new MemoryObjectStore(), TimeProvider.System);
            var snapshots = new List<(SnapshotId, Dictionary<string, byte[]>)>();
            for (var i = 0; i < 3; i++)
            {
                var files = new Dictionary<string, byte[]> { ["same"] = TestVault.Bytes(seed, 400_000), [$"own-{i}"] = TestVault.Bytes(seed + i, 1_500_000) };
                snapshots.Add(((await vault.BackupAsync(files)).Id, files));
            }

            return new Site
            {
                Seed = seed,
                Vault = vault,
                Snapshots = snapshots,
                Container = await azurite.NewAsync(),
                Proxy = await FaultProxy.StartAsync(azurite.BlobEndpoint),
                Azurite = azurite,
            };
        }

        public string Sas(DateTimeOffset? end = null) => Azurite.SasToReplicate(Container, end);

        public AzureBlobObjectStore Store(string sas) => Replica.Open(Proxy.Through(Container), Vault.Keys.RestoreKey.Vault, BlobCredential.FromSas(sas), Options);

        public Task<ReplicationOutcome> ReplicateAsync(string sas) => new Replication(Vault.Store, Store(sas), TimeProvider.System).RunAsync(Snapshots[^1].Id, null, CancellationToken.None);

        /// <summary>Alters or removes some packs of the vault itself.</summary>
        public int Damage(int seed)
        {
            var random = new Random(seed);
            var objects = ((MemoryObjectStore)Vault.Store).Objects;
            var hit = 0;
            foreach (var name in objects.Keys.Where(n => n.Kind is ObjectKind.DataPack or ObjectKind.MetaPack).ToArray())
            {
                if (hit++ % 2 == 0)
                {
                    objects.TryRemove(name, out _);
                }
                else
                {
                    var content = (byte[])objects[name].Clone();
                    content[random.Next(content.Length)] ^= 1;
                    objects[name] = content;
                }
            }

            return hit;
        }

        /// <summary>Once nothing fails any more, replicates what is not there yet and no more than that.</summary>
        public async Task ShouldGoOnAsync(int copiedBefore)
        {
            Proxy.Script = (_, _) => ProxyFault.None;
            var outcome = await ReplicateAsync(Sas());
            // Requests that were under way when the first one failed may have arrived after the count.
            outcome.ObjectsCopied.ShouldBeInRange(1, outcome.ObjectsTotal - copiedBefore);
            await ShouldBeWholeAsync(outcome);
        }

        /// <param name="outcome">What the replication said.</param>
        /// <param name="mayForget">Azurite was killed: it loses what it acknowledged and had not written down yet, so that such an object is created twice.</param>
        public async Task ShouldBeWholeAsync(ReplicationOutcome outcome, bool mayForget = false)
        {
            Proxy.Script = (_, _) => ProxyFault.None;
            var check = await ReplicaCheck.RunAsync(
                Container, Vault.Keys.RestoreKey.Vault, Azurite.Credential(), outcome.ManifestName, outcome.ManifestHash.ToString(), null, CancellationToken.None);
            check.IsSound.ShouldBeTrue($"seed {Seed}: {string.Join('\n', check.Faults)}");
            Proxy.Created.ShouldAllBe(c => c.Value == 1 || mayForget);
            var replica = Replica.Open(Container, Vault.Keys.RestoreKey.Vault, Azurite.Credential());
            foreach (var (snapshot, files) in Snapshots)
            {
                TestVault.Same(await Vault.Through(replica).ReadBackAsync(snapshot), files).ShouldBeTrue($"seed {Seed}");
            }
        }
    }
}
