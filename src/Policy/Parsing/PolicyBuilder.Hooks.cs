namespace Backup.Policy.Parsing;

/// <summary>What is done around backups.</summary>
internal sealed partial class PolicyBuilder
{
    private HookRule ReadHooks(MapReader item)
    {
        if (item.Group("hooks") is not { } group)
        {
            return HookRule.None;
        }

        var rule = new HookRule(ReadHookNames(group, "before"), ReadHookNames(group, "after"));
        group.RefuseUnknownKeys();
        return rule;
    }

    private List<string> ReadHookNames(MapReader group, string key)
    {
        var names = group.Texts(key) ?? [];
        if (names.Count > PolicyLimits.HooksMax)
        {
            _problems.Add(group.PlaceOf(key), $"\"{key}\" has {names.Count} hooks; the limit is {PolicyLimits.HooksMax}");
        }

        foreach (var name in names.Where(name => !MapReader.IsName(name.Value)))
        {
            _problems.Add(name.At, $"\"{name.Value}\" is not the name of a hook: small letters, digits and single dashes; what it runs is written in the agent's configuration");
        }

        return [.. names.Select(name => name.Value)];
    }
}
