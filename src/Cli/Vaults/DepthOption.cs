using System.CommandLine;
using Backup.Vault.Verifying;

namespace Backup.Cli.Vaults;

/// <summary><c>--depth</c>: how thoroughly to verify, in the words of the documentation.</summary>
internal sealed class DepthOption
{
    public DepthOption()
    {
        Option = new Option<string>("--depth")
        {
            Description = "listing: everything exists with its length. hashes: every object has the hash in its name; needs no key. data: everything decrypts; needs a restore key.",
            DefaultValueFactory = _ => "hashes",
        };
        Option.AcceptOnlyFromAmong("listing", "hashes", "data");
    }

    public Option<string> Option { get; }

    public VerifyDepth Of(Invocation invocation) => Enum.Parse<VerifyDepth>(invocation.Require(Option), ignoreCase: true);
}
