using System.Buffers.Binary;
using Backup.Services.Testing;
using Backup.Sources.Posix;
using Backup.Sources.Postgres;
using Backup.Vault;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

public sealed class WalCollectorTests : IDisposable
{
    private const int SegmentBytes = 1 << 20;
    private const ulong System = 4711;
    private readonly ScratchFolder _scratch = new("wal");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Collect_WholeRange_GivesEverySegmentInOrder()
    {
        Write(5, holds: 5);
        Write(6, holds: 6);
        Write(7, holds: 7);
        var names = await CollectAsync();
        names.ShouldBe(["000000010000000000000005", "000000010000000000000006", "000000010000000000000007"]);
    }

    [Fact]
    public async Task Collect_SegmentGone_FailsWithAHint()
    {
        Write(5, holds: 5);
        Write(7, holds: 7);
        var error = await Should.ThrowAsync<SourcesException>(CollectAsync);
        error.Fault.ShouldBe(SourcesFault.WalMissing);
        error.Message.ShouldContain("000000010000000000000006");
        error.Hint.ShouldContain("wal_keep_size");
    }

    [Fact]
    public async Task Collect_SegmentRecycledUnderItsNewName_IsNotTakenForIt()
    {
        Write(5, holds: 5);
        Write(6, holds: 2);
        Write(7, holds: 7);
        (await Should.ThrowAsync<SourcesException>(CollectAsync)).Message.ShouldContain("0/200000");
    }

    [Fact]
    public async Task Collect_SegmentCutShort_Fails()
    {
        Write(5, holds: 5);
        Write(6, holds: 6, bytes: SegmentBytes / 2);
        Write(7, holds: 7);
        (await Should.ThrowAsync<SourcesException>(CollectAsync)).Fault.ShouldBe(SourcesFault.WalMissing);
    }

    [Theory]
    [InlineData("16385 /old/place\n16386 /with\\\nline\n", "16385 /new/a\n16386 /new/b\\\\c\n")]
    [InlineData("", "")]
    public void Rewrite_Map_HasTheNewPlaces(string map, string expected) =>
        TablespaceMap.Rewrite(map, new Dictionary<uint, string> { [16385] = "/new/a", [16386] = "/new/b\\c" }).ShouldBe(expected);

    [Theory]
    [InlineData("99 /unknown\n")]
    [InlineData("nonsense\n")]
    public void Rewrite_LineThatFitsNothing_IsDamage(string map) =>
        Should.Throw<SourcesException>(() => TablespaceMap.Rewrite(map, new Dictionary<uint, string>())).Fault.ShouldBe(SourcesFault.DataDamaged);

    private async Task<string[]> CollectAsync()
    {
        var store = new MemoryObjectStore();
        var made = await VaultCreation.CreateAsync(store, TimeProvider.System, CancellationToken.None);
        var vault = await OpenVault.OpenAsync(store, made.RestoreKey, TimeProvider.System, CancellationToken.None);
        await using var writer = await vault.BeginSnapshotAsync(new(), CancellationToken.None);
        SafePath.OpenDirectory(_scratch.Path, out var folder).IsError.ShouldBeFalse();
        using (folder)
        using (var counters = new TransferCounters(null, TimeProvider.System))
        {
            var server = new ServerFacts(180000, System, 1, 1, "/", SegmentBytes, true, true, false);
            return [.. new WalCollector(server, folder!, writer, counters, TimeProvider.System)
                .Collect(new Lsn(5 * SegmentBytes), new Lsn((7 * SegmentBytes) + 100), CancellationToken.None)
                .Select(entry => global::System.Text.Encoding.ASCII.GetString(entry.Name.Span))];
        }
    }

    private void Write(ulong number, ulong holds, int bytes = SegmentBytes)
    {
        var content = new byte[bytes];
        BinaryPrimitives.WriteUInt16LittleEndian(content.AsSpan(2), 2);
        BinaryPrimitives.WriteUInt64LittleEndian(content.AsSpan(8), holds * SegmentBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(content.AsSpan(24), System);
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(32), SegmentBytes);
        File.WriteAllBytes(_scratch.Combine(new WalSegment(1, number, SegmentBytes).FileName), content);
    }
}
