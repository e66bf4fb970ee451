namespace Backup.LocalStack.Services;

/// <summary>A program to run as a child of the stack.</summary>
/// <param name="Name">What people call it; also names it in messages.</param>
/// <param name="Program">The executable: a path, or a name looked up on PATH.</param>
/// <param name="Arguments">Its arguments. Never a secret: every user of the machine can read them.</param>
/// <param name="LogFile">Receives everything it prints; appended to.</param>
public sealed record ChildSpec(string Name, string Program, IReadOnlyList<string> Arguments, string LogFile)
{
    /// <summary>Variables set for the child on top of the inherited ones.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Where it runs; this process's folder when not set.</summary>
    public string? WorkingFolder { get; init; }

    /// <summary>The account it runs as; this process's own when not set. Only root can set one.</summary>
    public ServiceAccount? Account { get; init; }

    /// <summary>The signal that asks it to end in an orderly way.</summary>
    internal int StopSignal { get; init; } = Native.SigTerm;
}
