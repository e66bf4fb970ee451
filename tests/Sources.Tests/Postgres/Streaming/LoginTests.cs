using Backup.Sources.Postgres.Streaming;
using Shouldly;

namespace Backup.Sources.Tests.Postgres.Streaming;

public sealed class LoginTests
{
    private const string Nonce = "rOprNGfwEbeRWgbNEkqO";
    private const string ServerFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    [Fact]
    public void Scram_ExchangeOfRfc7677_GivesItsProofAndKnowsTheServers()
    {
        var login = Login();
        login.First.ShouldBe("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        login.Prove(ServerFirst).ShouldBe("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        login.IsProvedBy("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").ShouldBeTrue();
        login.IsProved.ShouldBeTrue();
    }

    [Theory]
    [InlineData("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")]
    [InlineData("e=other-error")]
    [InlineData("")]
    public void Scram_ServerWithoutThePassword_IsFoundOut(string serverFinal)
    {
        var login = Login();
        login.Prove(ServerFirst);
        login.IsProvedBy(serverFinal).ShouldBeFalse();
        login.IsProved.ShouldBeFalse();
    }

    [Theory]
    [InlineData("r=somebodyElses,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096")]
    [InlineData("nonsense")]
    public void Scram_ServersPartThatMakesNoSense_IsRefused(string serverFirst) => Should.Throw<InvalidDataException>(() => Login().Prove(serverFirst));

    [Fact]
    public void Scram_WhatIsOffered_DecidesTheBinding()
    {
        ScramLogin.Choose([ScramLogin.Bound, ScramLogin.Plain], "u", "p", [1], isEncrypted: true, Nonce).ShouldNotBeNull().First.ShouldStartWith("p=tls-server-end-point,,");
        ScramLogin.Choose([ScramLogin.Plain], "u", "p", [1], isEncrypted: true, Nonce).ShouldNotBeNull().First.ShouldStartWith("y,,");
        ScramLogin.Choose([ScramLogin.Plain], "a=b,c", "p", null, isEncrypted: false, Nonce).ShouldNotBeNull().First.ShouldStartWith("n,,n=a=3Db=2Cc,");
        ScramLogin.Choose(["OAUTHBEARER"], "u", "p", null, isEncrypted: false, Nonce).ShouldBeNull();
    }

    [Fact]
    public void Md5_KnownValues_GiveTheKnownAnswer() => ReplicationSession.Md5("secret", "joe", [1, 2, 3, 4]).ShouldBe("md5850be429f1fe77df3f603ac424abb440");

    private static ScramLogin Login() => ScramLogin.Choose([ScramLogin.Plain], "user", "pencil", null, isEncrypted: false, Nonce).ShouldNotBeNull();
}
