using System.CommandLine;
using Backup.AgentApi;
using Backup.Cli.Output;

namespace Backup.Cli.Identities;

/// <summary>An identity just made.</summary>
internal sealed record IdentityMade(string Name, string KeyId, string PrivateFile, string PublicFile);

/// <summary><c>identity new</c>: keys with which orders are signed and sealed.</summary>
internal static class IdentityCommands
{
    public static Command Create(CliContext context)
    {
        var name = NameOption.Required("--name", "Whose identity: the agent's name in the policy, or the control plane's.");
        var secret = new Option<string>("--private") { Description = "Where to save the private identity. It never leaves its machine.", HelpName = "FILE", Required = true };
        var open = new Option<string>("--public") { Description = "Where to save the public identity, for the other side.", HelpName = "FILE", Required = true };
        return CliContext.Group("identity", "Identities of agents and the control plane.", context.Leaf(
            "new", "Make an identity.", [name, secret, open],
            (invocation, _) => Task.FromResult(Make(invocation, invocation.Require(name), invocation.Require(secret), invocation.Require(open)))));
    }

    private static ExitCode Make(Invocation invocation, string name, string privateFile, string publicFile)
    {
        PrivateIdentity identity;
        try
        {
            identity = PrivateIdentity.Create(name);
        }
        catch (ArgumentException e)
        {
            throw new CliException(CliFault.OptionInvalid, ErrorText.WithoutParameter(e), "Give another --name.", e);
        }

        using (identity)
        {
            // Private first: a public identity whose private part was never saved would only mislead. Nor is a private part alone of use.
            identity.Save(privateFile);
            try
            {
                identity.Public.Save(publicFile);
            }
            catch (AgentApiException)
            {
                File.Delete(privateFile);
                throw;
            }

            if (invocation.IsJson)
            {
                invocation.Out.WriteJson(new IdentityMade(name, identity.Public.KeyId.ToString(), privateFile, publicFile), CliJson.Default.IdentityMade);
            }
            else
            {
                invocation.Out.WriteLine($"Identity {identity.Public} made.");
            }
        }

        return ExitCode.Success;
    }
}
