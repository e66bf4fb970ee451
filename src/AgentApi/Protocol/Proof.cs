using System.Text.Json.Serialization;

namespace Backup.AgentApi;

/// <summary>How a restored database is proven: started in isolation and checked.</summary>
public sealed record ProofSettings
{
    /// <summary>The longest that a proof may take, in seconds: a day.</summary>
    public const int SecondsMax = 86_400;

    /// <summary>Questions to the restored databases.</summary>
    [JsonPropertyName("checks")] public IReadOnlyList<ProofQuestion> Checks { get; init; } = [];

    /// <summary>How long all of it may take, 1 to <see cref="SecondsMax"/> seconds.</summary>
    [JsonPropertyName("timeLimitSeconds")] public int TimeLimitSeconds { get; init; } = 7200;

    internal void Check(ContractCheck check)
    {
        check.That(TimeLimitSeconds is >= 1 and <= SecondsMax, $"'proof.timeLimitSeconds' must be 1 to {SecondsMax}");
        check.Items(Checks, "proof.checks", question =>
        {
            check.Name(question.Name, "proof.checks[].name");
            check.Name(question.Database, "proof.checks[].database");
            check.Text(question.Sql, "proof.checks[].sql");
            check.That(question.Sql is { Length: > 0 }, "'proof.checks[].sql' must not be empty");
            check.Text(question.Expect ?? "", "proof.checks[].expect");
            check.That(question.TimeLimitSeconds is >= 1 and <= SecondsMax, $"'proof.checks[].timeLimitSeconds' must be 1 to {SecondsMax}");
        });
    }
}

/// <summary>A question to a restored database. It is asked by a role that may only read, in a transaction that may only read.</summary>
public sealed record ProofQuestion
{
    /// <summary>What people call it.</summary>
    [JsonPropertyName("name")] public required string Name { get; init; }

    /// <summary>The database that is asked.</summary>
    [JsonPropertyName("database")] public required string Database { get; init; }

    /// <summary>One statement.</summary>
    [JsonPropertyName("sql")] public required string Sql { get; init; }

    /// <summary>The first value of its first row as text; null: anything but no row, null, false and the empty text.</summary>
    [JsonPropertyName("expect")] public string? Expect { get; init; }

    /// <summary>How long it may take, in seconds.</summary>
    [JsonPropertyName("timeLimitSeconds")] public int TimeLimitSeconds { get; init; } = 60;
}

/// <summary>The record of a proof. Times are of the agent's clock.</summary>
public sealed record ProofResult
{
    /// <summary>When the agent accepted the order.</summary>
    [JsonPropertyName("acceptedAt")] public required DateTimeOffset AcceptedAt { get; init; }

    /// <summary>When all files were in place.</summary>
    [JsonPropertyName("restoredAt")] public required DateTimeOffset RestoredAt { get; init; }

    /// <summary>When the server had reached consistency and answered; null when it never did.</summary>
    [JsonPropertyName("consistentAt")] public DateTimeOffset? ConsistentAt { get; init; }

    /// <summary>When everything was checked.</summary>
    [JsonPropertyName("checkedAt")] public required DateTimeOffset CheckedAt { get; init; }

    /// <summary>Nothing was found wrong.</summary>
    [JsonPropertyName("isProven")] public required bool IsProven { get; init; }

    /// <summary>The server's major version.</summary>
    [JsonPropertyName("majorVersion")] public required int MajorVersion { get; init; }

    /// <summary>Tables whose rows are as recorded when the backup was made.</summary>
    [JsonPropertyName("tablesEqual")] public int TablesEqual { get; init; }

    /// <summary>Of the compared tables, those of which only some blocks were read.</summary>
    [JsonPropertyName("tablesSampled")] public int TablesSampled { get; init; }

    /// <summary>Tables that changed after they were recorded, so that nothing can be said of them.</summary>
    [JsonPropertyName("tablesChanged")] public int TablesChanged { get; init; }

    /// <summary>Tables that the record leaves out.</summary>
    [JsonPropertyName("tablesLeftOut")] public int TablesLeftOut { get; init; }

    /// <summary>Rows that were compared.</summary>
    [JsonPropertyName("rowsCompared")] public long RowsCompared { get; init; }

    /// <summary>Why nothing, or not everything, was compared.</summary>
    [JsonPropertyName("contentNote")] public string? ContentNote { get; init; }

    /// <summary>B-trees checked; null when the server comes without amcheck, or did not get that far.</summary>
    [JsonPropertyName("indexesChecked")] public int? IndexesChecked { get; init; }

    /// <summary>Pages whose checksums were checked; null without checksums, or when the server did not get that far.</summary>
    [JsonPropertyName("pagesChecked")] public long? PagesChecked { get; init; }

    /// <summary>The questions' answers.</summary>
    [JsonPropertyName("checks")] public IReadOnlyList<ProofAnswer> Checks { get; init; } = [];

    /// <summary>How long each step took, in order.</summary>
    [JsonPropertyName("steps")] public IReadOnlyList<ProofStepTime> Steps { get; init; } = [];

    /// <summary>The first findings.</summary>
    [JsonPropertyName("findings")] public IReadOnlyList<ProofProblem> Findings { get; init; } = [];

    /// <summary>How many there were.</summary>
    [JsonPropertyName("findingsTotal")] public int FindingsTotal { get; init; }
}

/// <summary>How a question was answered.</summary>
public sealed record ProofAnswer
{
    /// <summary>The question's name.</summary>
    [JsonPropertyName("name")] public required string Name { get; init; }

    /// <summary>The answer is as it should be.</summary>
    [JsonPropertyName("passed")] public required bool Passed { get; init; }

    /// <summary>The answer, or why there was none.</summary>
    [JsonPropertyName("answer")] public required string Answer { get; init; }

    /// <summary>How long it took, in seconds.</summary>
    [JsonPropertyName("seconds")] public required double Seconds { get; init; }
}

/// <summary>How long a step of a proof took.</summary>
public sealed record ProofStepTime
{
    /// <summary><c>start</c>, <c>content</c>, <c>indexes</c>, <c>checks</c> or <c>pages</c>.</summary>
    [JsonPropertyName("step")] public required string Step { get; init; }

    /// <summary>In seconds.</summary>
    [JsonPropertyName("seconds")] public required double Seconds { get; init; }
}

/// <summary>Something that a proof found wrong.</summary>
public sealed record ProofProblem
{
    /// <summary>The step that found it.</summary>
    [JsonPropertyName("step")] public required string Step { get; init; }

    /// <summary>What is wrong with what.</summary>
    [JsonPropertyName("text")] public required string Text { get; init; }
}
