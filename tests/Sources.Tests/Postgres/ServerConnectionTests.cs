using Backup.Sources.Postgres;
using Npgsql;
using Shouldly;

namespace Backup.Sources.Tests.Postgres;

public sealed class ServerConnectionTests
{
    [Theory]
    [InlineData("28P01", SourcesFault.ServerUnsuitable, "pg_hba.conf")]
    [InlineData("3D000", SourcesFault.ServerUnsuitable, "Database=postgres")]
    [InlineData("53300", SourcesFault.ServerUnavailable, "max_wal_senders")]
    [InlineData("57P03", SourcesFault.ServerUnavailable, "server's log")]
    [InlineData("22012", SourcesFault.ServerUnsuitable, "server's log")]
    public void Translate_ServerRefuses_TellsWhatToDoAndWhetherTryingAgainHelps(string state, SourcesFault fault, string hint)
    {
        var told = ServerConnection.Translate(new PostgresException("no", "FATAL", "FATAL", state), "connect to").ShouldNotBeNull();
        told.Fault.ShouldBe(fault);
        told.Message.ShouldStartWith($"Cannot connect to the database server: no ({state}).");
        told.Message.ShouldContain(hint);
    }
}
