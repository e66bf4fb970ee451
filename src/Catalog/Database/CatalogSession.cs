using System.Text.Json;
using Npgsql;

namespace Backup.Catalog.Database;

/// <summary>One connection, with the transaction if there is one. Parameters are positional: $1, $2…</summary>
internal sealed class CatalogSession(NpgsqlConnection connection, NpgsqlTransaction? transaction)
{
    public async Task<int> ExecuteAsync(string sql, CancellationToken cancel, params object?[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
    }

    public async Task<List<T>> QueryAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancel, params object?[] values)
    {
        await using var command = Command(sql, values);
        await using var reader = await command.ExecuteReaderAsync(cancel).ConfigureAwait(false);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancel).ConfigureAwait(false))
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    private NpgsqlCommand Command(string sql, object?[] values)
    {
        var command = new NpgsqlCommand(sql, connection, transaction);
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        }

        return command;
    }
}

/// <summary>Readers by column name, so that a statement's column order never matters.</summary>
internal static class RowReading
{
    public static string Text(this NpgsqlDataReader row, string column) => row.GetString(row.GetOrdinal(column));

    public static string? TextOrNull(this NpgsqlDataReader row, string column) => row.IsDBNull(row.GetOrdinal(column)) ? null : row.Text(column);

    public static long Number(this NpgsqlDataReader row, string column) => row.GetInt64(row.GetOrdinal(column));

    public static long? NumberOrNull(this NpgsqlDataReader row, string column) => row.IsDBNull(row.GetOrdinal(column)) ? null : row.Number(column);

    public static bool Flag(this NpgsqlDataReader row, string column) => row.GetBoolean(row.GetOrdinal(column));

    /// <summary>A value of an enumeration, by its <see cref="CatalogWords.Word"/>.</summary>
    public static T Choice<T>(this NpgsqlDataReader row, string column)
        where T : struct, Enum => Enum.Parse<T>(row.Text(column).Replace("-", "", StringComparison.Ordinal), ignoreCase: true);

    public static DateTimeOffset Instant(this NpgsqlDataReader row, string column) =>
        new(DateTime.SpecifyKind(row.GetDateTime(row.GetOrdinal(column)), DateTimeKind.Utc));

    public static DateTimeOffset? InstantOrNull(this NpgsqlDataReader row, string column) => row.IsDBNull(row.GetOrdinal(column)) ? null : row.Instant(column);
}

/// <summary>How values of enumerations are written in columns.</summary>
internal static class CatalogWords
{
    /// <summary>The name in small letters, its parts joined by dashes.</summary>
    public static string Word<T>(this T value)
        where T : struct, Enum => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());
}
