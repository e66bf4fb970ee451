namespace Backup.Policy.Parsing;

/// <summary>Collects problems up to <see cref="PolicyLimits.ProblemsMax"/>, then only says that there are more. Each is one line of text, whatever it quotes.</summary>
internal sealed class ProblemList
{
    private const int MessageCharsMax = 500;

    private readonly List<PolicyProblem> _problems = [];

    public int Count => _problems.Count;

    public IReadOnlyList<PolicyProblem> InFileOrder => [.. _problems.OrderBy(p => p.At.Line).ThenBy(p => p.At.Column)];

    public void Add(PolicyPosition at, string message)
    {
        if (_problems.Count < PolicyLimits.ProblemsMax)
        {
            var shown = message.Length <= MessageCharsMax ? message : message[..MessageCharsMax] + "…";
            _problems.Add(new PolicyProblem(at, string.Concat(shown.Select(c => char.IsControl(c) ? '\uFFFD' : c))));
        }
        else if (_problems.Count == PolicyLimits.ProblemsMax)
        {
            _problems.Add(new PolicyProblem(at, $"there are more than {PolicyLimits.ProblemsMax} problems; the rest is not listed"));
        }
    }
}
