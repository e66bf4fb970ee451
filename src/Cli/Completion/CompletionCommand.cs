using System.CommandLine;

namespace Backup.Cli.Completion;

/// <summary><c>completion</c>: prints a script for a shell. The scripts ask <c>backupctl</c> itself, so they never grow stale.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        # backupctl completion for bash. Load with: source <(backupctl completion bash)
        _backupctl_complete() {
            local IFS=$'\n'
            COMPREPLY=($(backupctl "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null))
            # Nothing of ours fits: offer files, since most options name one.
            if [ ${#COMPREPLY[@]} -eq 0 ]; then
                COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
            else
                COMPREPLY=($(compgen -W "${COMPREPLY[*]}" -- "${COMP_WORDS[COMP_CWORD]}"))
            fi
        }
        complete -o filenames -F _backupctl_complete backupctl
        """;

    private const string Zsh = """
        #compdef backupctl
        # backupctl completion for zsh. Load with: source <(backupctl completion zsh)
        _backupctl() {
            local -a words_found
            words_found=("${(@f)$(backupctl "[suggest:${#BUFFER}]" "${BUFFER}" 2>/dev/null)}")
            if [ -n "${words_found[1]}" ]; then
                compadd -- "${words_found[@]}"
            else
                _files
            fi
        }
        compdef _backupctl backupctl
        """;

    private const string Fish = """
        # backupctl completion for fish. Load with: backupctl completion fish | source
        complete -c backupctl -a '(set -l line (commandline -cp); backupctl "[suggest:"(string length -- $line)"]" "$line" 2>/dev/null)'
        """;

    public static Command Create(CliContext context)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        return context.Leaf("completion", "Print a completion script for a shell.", [shell], (invocation, _) =>
        {
            invocation.Out.WriteLine(invocation.Require(shell) switch
            {
                "bash" => Bash,
                "zsh" => Zsh,
                _ => Fish,
            });
            return Task.FromResult(ExitCode.Success);
        });
    }
}
