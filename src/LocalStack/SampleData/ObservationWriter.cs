using Npgsql;

namespace Backup.LocalStack.SampleData;

/// <summary>An application that keeps writing to the sample database while it is backed up.</summary>
/// <remarks>
/// Each transaction appends observations numbered without gaps and moves telescope minutes between two accounts. So any
/// consistent state of the database is a prefix of the log whose budget adds up: a restore that is not one shows.
/// </remarks>
internal sealed class ObservationWriter : IAsyncDisposable
{
    /// <summary>What all accounts of the budget hold together, always.</summary>
    public const long BudgetMinutes = 100 * 10_000;

    /// <summary>Observations that one transaction appends.</summary>
    public const int RowsPerTransaction = 25;

    private const int Accounts = 100;

    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _stop = new();
    private readonly string _connectionString;
    private readonly TimeProvider _time;
    private readonly Task _writing;
    private long _committed;

    private ObservationWriter(string connectionString, long committed, TimeProvider time)
    {
        _connectionString = connectionString;
        _committed = committed;
        _time = time;
        _writing = Task.Run(() => WriteAsync(_stop.Token));
    }

    /// <summary>The number of the newest observation whose commit the server has confirmed.</summary>
    public long CommittedCount => Interlocked.Read(ref _committed);

    /// <summary>Fails when writing failed; does not complete before <see cref="DisposeAsync"/> otherwise.</summary>
    public Task Writing => _writing;

    /// <summary>Starts writing, going on from the newest observation in the database.</summary>
    public static async Task<ObservationWriter> StartAsync(string connectionString, TimeProvider time, CancellationToken cancel) =>
        new(connectionString, await NewestAsync(connectionString, cancel).ConfigureAwait(false), time);

    /// <summary>The number of the newest observation in a database; 0 when it has none.</summary>
    public static async Task<long> NewestAsync(string connectionString, CancellationToken cancel)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(cancel).ConfigureAwait(false);
        await using var newest = new NpgsqlCommand("SELECT coalesce(max(sequence_no), 0) FROM observation_log", connection);
        return (long)(await newest.ExecuteScalarAsync(cancel).ConfigureAwait(false))!;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAny(_writing).ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task WriteAsync(CancellationToken cancel)
    {
        await using var connection = new NpgsqlConnection(_connectionString + ";Pooling=false");
        await connection.OpenAsync(cancel).ConfigureAwait(false);
        using var pace = new PeriodicTimer(Pace, _time);
        try
        {
            do
            {
                var next = CommittedCount + 1;
                await using var transaction = await connection.BeginTransactionAsync(cancel).ConfigureAwait(false);
                await using var append = new NpgsqlCommand(
                    """
                    INSERT INTO observation_log
                    SELECT n, clock_timestamp(), 'camera-' || n % 4, md5('observation ' || n) FROM generate_series($1, $2) AS n
                    """, connection, transaction)
                { Parameters = { new() { Value = next }, new() { Value = next + RowsPerTransaction - 1 } } };
                await append.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
                await using var move = new NpgsqlCommand("UPDATE telescope_budget SET minutes = minutes + CASE account WHEN $1 THEN -1 ELSE 1 END WHERE account IN ($1, $2)", connection, transaction)
                { Parameters = { new() { Value = (int)(next % Accounts) + 1 }, new() { Value = (int)((next + 37) % Accounts) + 1 } } };
                await move.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
                await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
                Interlocked.Exchange(ref _committed, next + RowsPerTransaction - 1);
            }
            while (await pace.WaitForNextTickAsync(cancel).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Told to stop: the open transaction, if any, is rolled back as its connection closes.
            return;
        }
    }
}
