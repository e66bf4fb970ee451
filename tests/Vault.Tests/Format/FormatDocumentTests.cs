using System.Security.Cryptography;
using System.Text;
using Backup.Vault.Testing;
using Shouldly;

namespace Backup.Vault.Tests.Format;

/// <summary>FORMAT.md is enough: <see cref="IndependentReader"/> was written from it and reads the golden vault to the last byte.</summary>
public sealed class FormatDocumentTests
{
    private static readonly string[] Types = ["", "File", "Directory", "SymbolicLink", "Fifo", "Socket", "CharacterDevice", "BlockDevice"];
    private static readonly string Golden = GoldenVaultTests.Fixture("v1");
    private static readonly string Store = Path.Combine(Golden, "store");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("key file")]
    [InlineData("recovery kit")]
    [InlineData("passphrase")]
    public async Task IndependentReader_WithEveryKindOfKey_ReadsTheGoldenVault(string key)
    {
        var reader = key switch
        {
            "key file" => IndependentReader.WithRestoreKey(Store, IndependentReader.KeyFile(await File.ReadAllTextAsync(Path.Combine(Golden, "restore.key"), Cancel))),
            "recovery kit" => IndependentReader.WithRestoreKey(Store, IndependentReader.Kit(await File.ReadAllTextAsync(Path.Combine(Golden, "kit.txt"), Cancel))),
            _ => IndependentReader.WithPassphrase(Store, GoldenVault.Passphrase),
        };
        var text = new StringBuilder();
        foreach (var s in reader.Snapshots().OrderBy(s => s.ConsistentAtMilliseconds))
        {
            text.Append($"snapshot {s.Id} asset {s.Asset} kind {s.Kind} parent {s.Parent} at {DateTimeOffset.FromUnixTimeMilliseconds(s.ConsistentAtMilliseconds):O} items {s.Items}/{s.Unreadable}\n");
            foreach (var (name, value) in s.Pairs) text.Append($"  {name} = {value}\n");
            Describe(reader, s.Root, "", text);
        }

        foreach (var (pack, marked, deleted) in reader.Marks().OrderBy(m => m.Pack.Split('/')[2], StringComparer.Ordinal)) text.Append($"marked {pack} {marked:O} deleted {deleted:O}\n");
        foreach (var packs in reader.Ledger().GroupBy(l => l.Pack).OrderBy(l => l.Key.Split('/')[2], StringComparer.Ordinal))
            text.Append($"verified {packs.Key} {packs.Max(l => l.Hashes > l.Data ? l.Hashes : l.Data):O} data {packs.Max(l => l.Data):O}\n");

        text.ToString().ShouldBe(await File.ReadAllTextAsync(Path.Combine(Golden, "expected.txt"), Cancel));
    }

    [Fact]
    public async Task IndependentReader_ReadsTheSameFromPackDirectoriesAsFromTheIndex()
    {
        var reader = IndependentReader.WithRestoreKey(Store, IndependentReader.KeyFile(await File.ReadAllTextAsync(Path.Combine(Golden, "restore.key"), Cancel)));
        var packs = 0;
        foreach (var (pack, frames) in reader.Indexed())
        {
            packs++;
            var said = reader.Directory(pack);
            said.Select(f => f.Stored).ShouldBe(frames.Select(f => f.Stored));
            said.SelectMany(f => f.Chunks).ShouldBe(frames.SelectMany(f => f.Chunks));
        }

        packs.ShouldBe(Directory.GetFiles(Path.Combine(Store, "data"), "*", SearchOption.AllDirectories).Length + Directory.GetFiles(Path.Combine(Store, "meta"), "*", SearchOption.AllDirectories).Length);
    }

    private static void Describe(IndependentReader reader, string tree, string path, StringBuilder text)
    {
        foreach (var e in reader.Tree(tree))
        {
            var name = path + "/" + Convert.ToHexString(e.Name);
            var link = e.Link is { } l ? $"HardLinkKey {{ Device = {l.Device}, Inode = {l.Inode} }}" : "";
            text.Append($"{name} {Types[e.Type]} {e.Mode} {e.User}:{e.Group} {e.UserName}:{e.GroupName} m{e.Modified} c{e.Changed} s{e.Size} l{Convert.ToHexString(e.Target)} d{e.Device} h{link} n{e.Notes}");
            foreach (var (attribute, value) in e.Attributes) text.Append($" {attribute}={Convert.ToHexString(value)}");
            foreach (var (offset, length) in e.Extents) text.Append($" {offset}+{length}");
            if (e.HasContent) text.Append($" depth {e.Depth} sha256 {Convert.ToHexStringLower(SHA256.HashData(reader.Content(e)))}");
            text.Append('\n');
            if (e.Subtree is { } subtree) Describe(reader, subtree, name, text);
        }
    }
}
