using System.Runtime.Versioning;
using System.Text;
using Backup.Agent.Journal;
using Shouldly;

namespace Backup.Agent.Tests.Journal;

public sealed class RecordLogTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    private string LogFile => _scratch["jobs.journal"];

    [Fact]
    public void Open_AfterAppends_ReplaysThemInOrder()
    {
        WriteRecords("one", "", "three");

        ReadRecords(LogFile).ShouldBe(["one", "", "three"]);
    }

    [Fact]
    public void Open_CutAtEveryByte_KeepsEveryRecordThatWasComplete()
    {
        string[] records = ["first", "second record", "3", ""];
        var ends = WriteRecords(records);
        var whole = File.ReadAllBytes(LogFile);

        for (var length = 0; length <= whole.Length; length++)
        {
            File.WriteAllBytes(LogFile, whole[..length]);
            var complete = ends.Count(end => end <= length);
            ReadRecords(LogFile).ShouldBe(records[..complete], ignoreOrder: false, $"cut at byte {length}");

            // The log that came back takes new records, and they are found again.
            using (var log = RecordLog.Open(LogFile, _ => { }))
            {
                log.TornBytes.ShouldBe(0);
                log.Append("after"u8);
            }

            ReadRecords(LogFile).ShouldBe([.. records[..complete], "after"], ignoreOrder: false, $"cut at byte {length}");
        }
    }

    [Fact]
    public void Open_TailFullOfZeros_CutsItOff()
    {
        WriteRecords("one");
        var whole = File.ReadAllBytes(LogFile);
        File.WriteAllBytes(LogFile, [.. whole, .. new byte[4096]]);

        ReadRecords(LogFile).ShouldBe(["one"]);
        new FileInfo(LogFile).Length.ShouldBe(whole.Length);
    }

    [Fact]
    public void Open_AnyByteOfLastRecordFlipped_DropsOnlyThatRecord()
    {
        var ends = WriteRecords("one", "two");
        var whole = File.ReadAllBytes(LogFile);
        for (var at = (int)ends[0]; at < whole.Length; at++)
        {
            var bad = (byte[])whole.Clone();
            bad[at] ^= 0x40;
            File.WriteAllBytes(LogFile, bad);
            ReadRecords(LogFile).ShouldBe(["one"], ignoreOrder: false, $"flipped byte {at}");
        }
    }

    [Fact]
    public void Open_AnyByteBeforeLastRecordFlipped_IsRefusedAndNotCut()
    {
        var ends = WriteRecords("one", "two", "three");
        var whole = File.ReadAllBytes(LogFile);
        for (var at = RecordLog.HeaderBytes; at < ends[1]; at++)
        {
            var bad = (byte[])whole.Clone();
            bad[at] ^= 0x01;
            File.WriteAllBytes(LogFile, bad);
            Should.Throw<AgentException>(() => ReadRecords(LogFile), $"flipped byte {at}").Fault.ShouldBe(AgentFault.JournalDamaged);
            File.ReadAllBytes(LogFile).ShouldBe(bad);
        }
    }

    [Fact]
    public void Open_NewerVersion_IsRefused()
    {
        WriteRecords("one");
        var whole = File.ReadAllBytes(LogFile);
        whole[4] = 2;
        File.WriteAllBytes(LogFile, whole);

        Should.Throw<AgentException>(() => ReadRecords(LogFile)).Fault.ShouldBe(AgentFault.JournalTooNew);
    }

    [Fact]
    public void Replace_ThenAppend_HoldsBoth()
    {
        WriteRecords("one", "two", "three");
        using (var log = RecordLog.Open(LogFile, _ => { }))
        {
            log.Replace(["2"u8.ToArray()]);
            log.Append("four"u8);
        }

        ReadRecords(LogFile).ShouldBe(["2", "four"]);
    }

    [Fact]
    public void Open_CompactionDiedBeforeItsRename_KeepsTheOldLog()
    {
        WriteRecords("one", "two");
        File.WriteAllText(LogFile + ".new", "half of a compacted jour");

        ReadRecords(LogFile).ShouldBe(["one", "two"]);
        File.Exists(LogFile + ".new").ShouldBeFalse();
    }

    [Fact]
    public void Open_SecondWriter_IsRefused()
    {
        using var first = RecordLog.Open(LogFile, _ => { });

        Should.Throw<IOException>(() => RecordLog.Open(LogFile, _ => { }));
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void Open_NewLog_IsReadableByItsOwnerOnly()
    {
        using var log = RecordLog.Open(LogFile, _ => { });

        File.GetUnixFileMode(LogFile).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    public void Dispose() => _scratch.Dispose();

    private List<long> WriteRecords(params string[] records)
    {
        var ends = new List<long>();
        using var log = RecordLog.Open(LogFile, _ => { });
        foreach (var record in records)
        {
            log.Append(Encoding.UTF8.GetBytes(record));
            ends.Add(log.Length);
        }

        return ends;
    }

    private static List<string> ReadRecords(string file)
    {
        var records = new List<string>();
        using var log = RecordLog.Open(file, payload => records.Add(Encoding.UTF8.GetString(payload.Span)));
        return records;
    }
}
