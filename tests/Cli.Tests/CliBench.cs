using System.Text;
using Backup.Cli.Output;
using Shouldly;

namespace Backup.Cli.Tests;

/// <summary>What one command line printed and how it ended.</summary>
internal sealed record CliResult(int Code, string Out, string Error, byte[] Raw)
{
    public CliResult ShouldEnd(ExitCode code)
    {
        Code.ShouldBe((int)code, $"{Out}\n{Error}");
        return this;
    }
}

/// <summary>Runs <c>backupctl</c>, within this process unless a published one is to be tested, in a folder of its own with one vault.</summary>
internal sealed class CliBench : IDisposable
{
    private readonly Dictionary<string, string> _environment = [];

    public CliBench() => _environment["XDG_CACHE_HOME"] = this["cache"];

    public string Root { get; } = Directory.CreateTempSubdirectory("cli-test-").FullName;

    public string this[string name] => Path.Combine(Root, name);

    public string Write(string name, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        File.WriteAllText(this[name], content);
        return this[name];
    }

    public void Set(string variable, string value) => _environment[variable] = value;

    public async Task<CliResult> RunAsync(params string[] arguments)
    {
        if (ProgramUnderTest.IsPublished)
        {
            return await ProgramUnderTest.RunAsync(arguments, _environment, TestContext.Current.CancellationToken);
        }

        var (output, error, raw) = (new StringWriter(), new StringWriter(), new MemoryStream());
        var terminal = new Terminal
        {
            Out = output,
            Error = error,
            OpenRawOut = () => raw,
            In = TextReader.Null,
            ShowsProgress = false,
            Environment = name => _environment.GetValueOrDefault(name),
            Time = TimeProvider.System,
        };
        var code = await Backupctl.RunAsync(arguments, terminal, TestContext.Current.CancellationToken);
        return new CliResult(code, output.ToString().ReplaceLineEndings("\n"), error.ToString().ReplaceLineEndings("\n"), raw.ToArray());
    }

    /// <summary>A command on the bench's vault with its restore key.</summary>
    public Task<CliResult> OnVaultAsync(params string[] arguments) => RunAsync([.. arguments, "--vault", this["vault"], "--key-file", this["restore.key"]]);

    /// <summary>A command on the bench's vault with its backup key.</summary>
    public Task<CliResult> AsAgentAsync(params string[] arguments) => RunAsync([.. arguments, "--vault", this["vault"], "--key-file", this["backup.key"]]);

    public async Task InitAsync() => (await RunAsync(
        "vault", "init", "--vault", this["vault"], "--restore-key-file", this["restore.key"], "--backup-key-file", this["backup.key"], "--recovery-kit", this["kit.txt"])).ShouldEnd(ExitCode.Success);

    /// <summary>Backs up the folder <c>data</c> and answers the snapshot's id.</summary>
    public async Task<string> BackUpAsync(string asset = "docs")
    {
        var result = (await AsAgentAsync("backup", this["data"], "--asset", asset, "--json")).ShouldEnd(ExitCode.Success);
        return System.Text.Json.JsonDocument.Parse(result.Out).RootElement.GetProperty("snapshotId").GetString()!;
    }

    /// <summary>Output as golden files hold it: this run's folder and ids replaced.</summary>
    public string Neutral(string text, params (string What, string As)[] more)
    {
        var neutral = new StringBuilder(text).Replace(Root, "<root>");
        foreach (var (what, with) in more)
        {
            neutral.Replace(what, with);
        }

        return neutral.ToString();
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
