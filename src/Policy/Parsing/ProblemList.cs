namespace Backup.Policy.Parsing;

/// <summary>Collects problems up to <see cref="PolicyLimits.ProblemsMax"/>, then only says that there are more.</summary>
internal sealed class ProblemList
{
    private readonly List<PolicyProblem> _problems = [];

    public int Count => _problems.Count;

    public IReadOnlyList<PolicyProblem> InFileOrder => [.. _problems.OrderBy(p => p.At.Line).ThenBy(p => p.At.Column)];

    public void Add(PolicyPosition at, string message)
    {
        if (_problems.Count < PolicyLimits.ProblemsMax)
        {
            _problems.Add(new PolicyProblem(at, message));
        }
        else if (_problems.Count == PolicyLimits.ProblemsMax)
        {
            _problems.Add(new PolicyProblem(at, $"there are more than {PolicyLimits.ProblemsMax} problems; the rest is not listed"));
        }
    }
}
