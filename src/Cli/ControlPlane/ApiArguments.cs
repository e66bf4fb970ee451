using System.CommandLine;

namespace Backup.Cli.ControlPlane;

/// <summary>Which control plane, and the key that opens its HTTP interface.</summary>
internal sealed class ApiArguments
{
    private const string AddressVariable = "BACKUP_CONTROL_PLANE";
    private const string KeyFileVariable = "BACKUP_API_KEY_FILE";

    private readonly Option<string> _address = new("--control-plane")
    {
        Description = $"Where the control plane's HTTP interface is: https, or http on this machine. Otherwise {AddressVariable}.",
        HelpName = "URL",
    };

    private readonly Option<string> _keyFile = new("--api-key-file")
    {
        Description = $"A file with a key to that interface; an administrator's, except for looking. Otherwise {KeyFileVariable}.",
        HelpName = "FILE",
    };

    public IReadOnlyList<Option> All => [_address, _keyFile];

    /// <summary>The address as given, for texts that repeat it.</summary>
    public string Address(Invocation invocation) => Find(invocation, _address, AddressVariable, "Which control plane?");

    /// <summary>A client for it.</summary>
    /// <exception cref="CliException">Address or key file are missing or of no use.</exception>
    public ApiClient Open(Invocation invocation)
    {
        var address = Address(invocation);
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri)
            || !(uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback))
            || uri.Query.Length > 0
            || uri.UserInfo.Length > 0)
        {
            // Not repeated: somebody may have put a key into it.
            throw new CliException(CliFault.OptionInvalid, "The control plane's address must be https (or http on this machine), without a query or a name in it.", "Keys are read from --api-key-file.");
        }

        var key = File.ReadAllText(Find(invocation, _keyFile, KeyFileVariable, "No key to the control plane.")).Trim();
        return key.Length > 0 && !key.Any(char.IsControl)
            ? new ApiClient(uri, key)
            : throw new CliException(CliFault.OptionInvalid, "The file of --api-key-file holds no key.", "It holds one line: the key.");
    }

    private static string Find(Invocation invocation, Option<string> option, string variable, string missing) =>
        invocation.Get(option) is { Length: > 0 } given ? given
            : invocation.Terminal.Environment(variable) is { Length: > 0 } set ? set
            : throw new CliException(CliFault.KeyMissing, missing, $"Give {option.Name} or set {variable}.");
}
