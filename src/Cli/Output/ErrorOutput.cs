using System.Text;

namespace Backup.Cli.Output;

/// <summary>
/// Standard error that may be closed, or a file on a full disk. A message that nobody can get must not end the program in the middle of what it
/// does, nor take the place of the exit code.
/// </summary>
internal sealed class ErrorOutput(TextWriter inner) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    /// <summary>The process's own; nothing is behind it where even opening it fails, as machine code does with a closed descriptor.</summary>
    internal static ErrorOutput OfProcess()
    {
        try
        {
            return new ErrorOutput(Console.Error);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new ErrorOutput(Null);
        }
    }

    public override void Write(char value) => Try(static (to, what) => to.Write(what), value);

    public override void Write(string? value) => Try(static (to, what) => to.Write(what), value);

    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    public override void Flush() => Try(static (to, _) => to.Flush(), 0);

    private void Try<T>(Action<TextWriter, T> write, T what)
    {
        try
        {
            write(inner, what);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // There is no other place to tell it. The latter is what a closed descriptor comes as.
        }
    }
}
