using Backup.Vault.Storage;
using Shouldly;

namespace Backup.Vault.Testing;

/// <summary>The contract of <see cref="IObjectStore"/>: every implementation's tests inherit it.</summary>
public abstract class ObjectStoreContract
{
    public static TheoryData<string> Checks => [.. StoreProbe.CheckNames];

    /// <summary>A fresh, empty store (or one other tests use at the same time: the checks keep to objects of their own).</summary>
    protected abstract Task<IObjectStore> NewStoreAsync();

    [Theory]
    [MemberData(nameof(Checks))]
    public async Task Store_KeepsTheContract(string check)
    {
        var result = await StoreProbe.RunOneAsync(await NewStoreAsync(), check, TestContext.Current.CancellationToken);
        result.Failure.ShouldBeNull();
    }

    [Fact]
    public async Task Create_OfAnEmptyObject_IsMisuse()
    {
        var store = await NewStoreAsync();
        var name = ObjectName.For(ObjectKind.Probe, []);
        await Should.ThrowAsync<ArgumentException>(() => store.CreateAsync(name, ReadOnlyMemory<byte>.Empty, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Create_WhenCancelled_ThrowsCancellation()
    {
        var store = await NewStoreAsync();
        var name = ObjectName.For(ObjectKind.Probe, [1]);
        await Should.ThrowAsync<OperationCanceledException>(() => store.CreateAsync(name, new byte[] { 1 }, new CancellationToken(canceled: true)));
    }
}
