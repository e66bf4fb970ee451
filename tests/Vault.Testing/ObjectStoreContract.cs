using System.Security.Cryptography;
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

    [Fact]
    public async Task CreateFromAStream_ThatFailsAtItsEnd_WritesNothing()
    {
        var (store, cancel) = (await NewStoreAsync(), TestContext.Current.CancellationToken);
        var content = RandomNumberGenerator.GetBytes((3 << 20) + 17);
        var name = ObjectName.For(ObjectKind.Probe, content);
        await Should.ThrowAsync<VaultException>(() => store.CreateAsync(name, new WrongAtItsEnd(content), cancel));
        (await store.FindLengthAsync(name, cancel)).ShouldBeNull();

        (await store.CreateAsync(name, new MemoryStream(content), cancel)).ShouldBe(CreateOutcome.Created);
        (await store.CreateAsync(name, new MemoryStream([1, 2, 3]), cancel)).ShouldBe(CreateOutcome.AlreadyExists);
        (await store.ReadAsync(name, cancel)).ShouldBe(content);
    }

    /// <summary>Gives all but its last byte.</summary>
    private sealed class WrongAtItsEnd(byte[] content) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => Position < Length - 1
            ? base.ReadAsync(buffer[..(int)Math.Min(buffer.Length, Length - 1 - Position)], cancellationToken)
            : throw new VaultException(VaultFault.Damaged, "wrong", "none");

        public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
        {
            var buffer = new byte[bufferSize];
            while (true) await destination.WriteAsync(buffer.AsMemory(0, await ReadAsync(buffer, cancellationToken)), cancellationToken);
        }
    }
}
