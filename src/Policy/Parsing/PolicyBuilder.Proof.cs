using System.Text;

namespace Backup.Policy.Parsing;

/// <summary>How restores of databases are proven, and what is dumped beside them.</summary>
internal sealed partial class PolicyBuilder
{
    private static readonly TimeSpan CheckTimeDefault = TimeSpan.FromMinutes(1);

    private ProofRule ReadProof(MapReader item)
    {
        if (item.Group("proof") is not { } group)
        {
            return ProofRule.Standard;
        }

        var rule = new ProofRule
        {
            RecordMebibytes = group.Number("recordMiB", min: 0, max: PolicyLimits.RecordMebibytesMax) ?? ProofRule.Standard.RecordMebibytes,
            TimeLimit = ReadProofTime(group) ?? ProofRule.Standard.TimeLimit,
            Checks = ReadChecks(group),
        };
        group.RefuseUnknownKeys();
        return rule;
    }

    private DumpRule? ReadDump(MapReader item)
    {
        if (item.Group("dump") is not { } group)
        {
            return null;
        }

        var databases = new List<string>();
        foreach (var name in group.Texts("databases") ?? [])
        {
            CheckDatabase(name.Value, name.At);
            if (databases.Contains(name.Value))
            {
                _problems.Add(name.At, $"database \"{name.Value}\" stands twice in this list");
            }

            databases.Add(name.Value);
        }

        group.RefuseUnknownKeys();
        return new DumpRule(databases);
    }

    private void CheckDatabase(string name, PolicyPosition at)
    {
        if (Encoding.UTF8.GetByteCount(name) > PolicyLimits.DatabaseBytesMax || name.Any(char.IsControl))
        {
            _problems.Add(at, $"this is not the name of a database: at most {PolicyLimits.DatabaseBytesMax} bytes, without control characters");
        }
    }

    private List<ProofQuestion> ReadChecks(MapReader group)
    {
        var checks = new List<ProofQuestion>();
        Each(group, "checks", "a check", item =>
        {
            var name = item.Name("name");
            var database = item.Text("database", required: true);
            var sql = item.Text("sql", required: true);
            var expect = item.Text("expect", required: false);
            var limit = ReadProofTime(item) ?? CheckTimeDefault;
            if (sql?.Length > PolicyLimits.SqlCharsMax)
            {
                _problems.Add(item.PlaceOf("sql"), $"\"sql\" has {sql.Length} characters; the limit is {PolicyLimits.SqlCharsMax}");
            }

            if (expect?.Length > PolicyLimits.SqlCharsMax)
            {
                _problems.Add(item.PlaceOf("expect"), $"\"expect\" has {expect.Length} characters; the limit is {PolicyLimits.SqlCharsMax}");
            }

            if (database is not null)
            {
                CheckDatabase(database, item.PlaceOf("database"));
            }

            if (name is not null && checks.Any(check => check.Name == name))
            {
                _problems.Add(item.PlaceOf("name"), $"there are two checks \"{name}\"");
            }

            checks.Add(new ProofQuestion(name ?? "", database ?? "", sql ?? "", expect, limit));
        });
        return checks;
    }

    private static TimeSpan? ReadProofTime(MapReader item) => item.Duration("timeLimit", required: false, TimeSpan.FromSeconds(1), PolicyLimits.ProofTimeMax);
}
