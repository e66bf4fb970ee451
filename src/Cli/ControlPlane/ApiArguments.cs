using System.CommandLine;

namespace Backup.Cli.ControlPlane;

/// <summary>Which control plane, and the key that opens its HTTP interface.</summary>
/// <param name="isDecision">The command takes a decision: it can carry the key of the person who takes it, too.</param>
internal sealed class ApiArguments(bool isDecision = false)
{
    private const string AddressVariable = "BACKUP_CONTROL_PLANE";
    private const string KeyFileVariable = "BACKUP_API_KEY_FILE";
    private const string AdministratorKeyFileVariable = "BACKUP_ADMINISTRATOR_KEY_FILE";

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

    private readonly Option<string> _administratorKeyFile = new("--administrator-key-file")
    {
        Description = $"A file with your own key as an administrator. Otherwise {AdministratorKeyFileVariable}, or none.",
        HelpName = "FILE",
    };

    public IReadOnlyList<Option> All => isDecision ? [_address, _keyFile, _administratorKeyFile] : [_address, _keyFile];

    /// <summary>The address as given, for texts that repeat it.</summary>
    public string Address(Invocation invocation) => Find(invocation, _address, AddressVariable, "No control plane is named.");

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

        var key = ReadKey(Find(invocation, _keyFile, KeyFileVariable, "No key to the control plane is named."), _keyFile);
        var own = isDecision ? invocation.Get(_administratorKeyFile) ?? invocation.Terminal.Environment(AdministratorKeyFileVariable) : null;
        return new ApiClient(uri, key, string.IsNullOrEmpty(own) ? null : ReadKey(own, _administratorKeyFile));
    }

    private static string ReadKey(string file, Option<string> option)
    {
        var key = File.ReadAllText(file).Trim();
        return key.Length > 0 && !key.Any(char.IsControl)
            ? key
            : throw new CliException(CliFault.OptionInvalid, $"The file of {option.Name} holds no key.", "It holds one line: the key.");
    }

    private static string Find(Invocation invocation, Option<string> option, string variable, string missing) =>
        invocation.Get(option) is { Length: > 0 } given ? given
            : invocation.Terminal.Environment(variable) is { Length: > 0 } set ? set
            : throw new CliException(CliFault.KeyMissing, missing, $"Give {option.Name} or set {variable}.");
}
