namespace Backup.Policy;

/// <summary>Why a policy cannot be used.</summary>
public enum PolicyFault
{
    /// <summary>The file could not be read.</summary>
    Unreadable,

    /// <summary>The file was read and is wrong; every problem is listed.</summary>
    Invalid,
}

/// <summary>A place in a policy file. Both count from 1.</summary>
public readonly record struct PolicyPosition(int Line, int Column);

/// <summary>One thing that is wrong in a policy file, and what to do about it.</summary>
/// <param name="At">Where it stands.</param>
/// <param name="Message">What is wrong and what would be right.</param>
public sealed record PolicyProblem(PolicyPosition At, string Message)
{
    /// <summary>In the form editors recognise when a file name and a colon go before it.</summary>
    public override string ToString() => $"{At.Line}:{At.Column}: {Message}";
}

/// <summary>The policy cannot be used and nothing starts with it. Never transient: a person has to change the file.</summary>
public sealed class PolicyException : Exception
{
    internal PolicyException(PolicyFault fault, string message, string hint, IReadOnlyList<PolicyProblem> problems, Exception? cause = null)
        : base($"{message}\nHint: {hint}", cause)
    {
        Fault = fault;
        Hint = hint;
        Problems = problems;
    }

    /// <summary>The kind of failure.</summary>
    public PolicyFault Fault { get; }

    /// <summary>What a person can do.</summary>
    public string Hint { get; }

    /// <summary>Every problem, in file order; empty when the file could not be read.</summary>
    public IReadOnlyList<PolicyProblem> Problems { get; }

    /// <summary>Always false: trying the same file again changes nothing.</summary>
    public bool IsTransient { get; }
}
