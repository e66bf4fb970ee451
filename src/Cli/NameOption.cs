using System.CommandLine;

namespace Backup.Cli;

/// <summary>An option for a name that is kept, and that lists and logs show later: no place for control characters.</summary>
internal static class NameOption
{
    public static Option<string> Required(string name, string description, string helpName = "NAME")
    {
        var option = new Option<string>(name) { Description = description, HelpName = helpName, Required = true };
        option.Validators.Add(given =>
        {
            if (given.Tokens.Any(token => token.Value.Any(char.IsControl)))
            {
                given.AddError($"Option '{name}' takes printable characters only.");
            }
        });
        return option;
    }
}
