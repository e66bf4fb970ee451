using System.Diagnostics;
using System.Globalization;
using System.Text;
using Backup.Vault.Encryption;
using Backup.Vault.Snapshots;
using Backup.Vault.Storage;
using Backup.Vault.Testing;
using Backup.Vault.Verifying;
using Shouldly;

namespace Backup.Vault.Tests.Safety;

/// <summary>A real process on a real file system, killed with SIGKILL again and again in the middle of backing up and pruning.</summary>
public sealed class KillTests
{
    private const int Kills = 12;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Writer_KilledInALoop_NeverLosesACommittedSnapshot()
    {
        using var scratch = new Scratch();
        var store = new FileSystemObjectStore(scratch.At("store"));
        var vault = await TestVault.CreateAsync(store);
        VaultKeyFile.Save(scratch.At("key"), vault.Keys.RestoreKey);
        var random = new Random(4711);
        var committed = new HashSet<string>();
        var mayBeDropped = new HashSet<string>();
        for (var kill = 0; kill < Kills; kill++)
        {
            await RunAndKillAsync(scratch, firstRound: kill * 100, lines: random.Next(1, 20), committed, mayBeDropped);
            await CheckAsync(vault, committed, mayBeDropped);
        }

        committed.Count.ShouldBeGreaterThan(Kills / 2);
    }

    /// <summary>Kills after a number of lines: where the writer is by then is up to the scheduler, which is the point.</summary>
    private static async Task RunAndKillAsync(Scratch scratch, int firstRound, int lines, HashSet<string> committed, HashSet<string> mayBeDropped)
    {
        using var process = Process.Start(new ProcessStartInfo(WriterPath(), [scratch.At("store"), scratch.At("key"), firstRound.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
        })!;
        while (await process.StandardOutput.ReadLineAsync(Cancel) is { } line)
        {
            Note(line, committed, mayBeDropped);
            if (--lines == 0) process.Kill();
        }

        await process.WaitForExitAsync(Cancel);
        lines.ShouldBeLessThanOrEqualTo(0, "the writer must not end by itself");
    }

    private static void Note(string line, HashSet<string> committed, HashSet<string> mayBeDropped)
    {
        if (line.StartsWith("committed ", StringComparison.Ordinal)) committed.Add(line["committed ".Length..]);
        if (line.StartsWith("dropping ", StringComparison.Ordinal)) mayBeDropped.Add(line["dropping ".Length..]);
    }

    private static async Task CheckAsync(TestVault vault, HashSet<string> committed, HashSet<string> mayBeDropped)
    {
        var open = await vault.OpenAsync();
        var listed = await open.ListSnapshotsAsync(Cancel);
        committed.Except(mayBeDropped).Except(listed.Select(s => s.Id.ToString())).ShouldBeEmpty("a snapshot that was reported as committed is gone");
        using var reader = await open.OpenReaderAsync(Cancel);
        foreach (var snapshot in listed)
        {
            var file = (await reader.ReadTreeAsync(snapshot.Root!.Value, Cancel)).Single();
            await using var stream = await reader.OpenContentAsync(file.Content!, Cancel);
            var bytes = new byte[file.Size];
            await stream.ReadExactlyAsync(bytes, Cancel);
            bytes.AsSpan().SequenceEqual(TestVault.Bytes(int.Parse(Encoding.UTF8.GetString(file.Name.Span), CultureInfo.InvariantCulture), bytes.Length)).ShouldBeTrue();
        }

        var report = await Verifier.VerifyAsync(open, new VerifyRequest { Depth = VerifyDepth.Data, WriteLedger = false }, null, Cancel);
        report.IsSound.ShouldBeTrue(string.Join('\n', report.Problems));
    }

    private static string WriterPath() => Path.Combine(AppContext.BaseDirectory.Replace("Vault.Tests", "Vault.CrashWriter", StringComparison.Ordinal), "Backup.Vault.CrashWriter");
}
