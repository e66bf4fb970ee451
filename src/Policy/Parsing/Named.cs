namespace Backup.Policy.Parsing;

/// <summary>One group's entries by name, in file order; notes duplicates and unknown references.</summary>
internal sealed class Named<TName, TValue>(string what, ProblemList problems)
    where TName : struct
    where TValue : class
{
    private readonly Dictionary<TName, (TValue Value, int Line)> _byName = [];
    private readonly List<TValue> _values = [];

    public IReadOnlyList<TValue> Values => _values;

    public bool Contains(TName name) => _byName.ContainsKey(name);

    public TValue? Find(TName name) => _byName.TryGetValue(name, out var entry) ? entry.Value : null;

    public void Add(TName name, TValue value, PolicyPosition at)
    {
        if (_byName.TryAdd(name, (value, at.Line)))
        {
            _values.Add(value);
        }
        else
        {
            problems.Add(at, $"{what} \"{name}\" stands twice; first on line {_byName[name].Line}");
        }
    }

    public void AddDefault(TName name, TValue value)
    {
        _byName.Add(name, (value, 0));
        _values.Add(value);
    }

    /// <summary>True when the name exists; otherwise notes a problem that lists what does.</summary>
    public bool Refer(TName name, PolicyPosition at)
    {
        if (_byName.ContainsKey(name))
        {
            return true;
        }

        var known = _byName.Count == 0 ? "none is defined" : $"there is {string.Join(", ", _byName.Keys.Take(20))}";
        problems.Add(at, $"unknown {what} \"{name}\"; {known}");
        return false;
    }
}
