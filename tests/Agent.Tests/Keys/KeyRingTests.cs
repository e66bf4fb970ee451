using Backup.Agent.Keys;
using Backup.AgentApi;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;

namespace Backup.Agent.Tests.Keys;

/// <summary>When old keys end, whatever gets lost on the way.</summary>
public sealed class KeyRingTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly PrivateIdentity _own = PrivateIdentity.Create("lab-agent-1");
    private readonly PrivateIdentity _controlPlane = PrivateIdentity.Create("control-plane");
    private readonly PrivateIdentity _next = PrivateIdentity.Create("control-plane");
    private KeyRing _ring;

    public KeyRingTests()
    {
        new KeyRingFile { Own = [new StoredKey(_own.Export())], Trusted = [new StoredKey(_controlPlane.Public.Export())] }.Write(_scratch["keys.json"]);
        _ring = Open();
    }

    public void Dispose()
    {
        _own.Dispose();
        _controlPlane.Dispose();
        _next.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public void Trust_UntilTheNextKeyIsUsed_TheOldOneStays()
    {
        Announce(hours: 1);
        _time.Advance(TimeSpan.FromDays(90));
        Reopen();
        Trusted().ShouldBe([_controlPlane.Public.KeyId, _next.Public.KeyId]);
        _ring.NoteUse(_own.Public.KeyId, _controlPlane.Public.KeyId);
        Trusted().Count.ShouldBe(2);
    }

    [Fact]
    public void Trust_OnceTheNextKeyWasUsed_TheOldOneEndsAfterTheOverlap()
    {
        Announce(hours: 1);
        _ring.NoteUse(_own.Public.KeyId, _next.Public.KeyId);
        Reopen();
        _time.Advance(TimeSpan.FromHours(1));
        Trusted().Count.ShouldBe(2);
        _time.Advance(TimeSpan.FromSeconds(1));
        Trusted().ShouldBe([_next.Public.KeyId]);

        // The next use removes what has ended from the disk, too.
        _ring.NoteUse(_own.Public.KeyId, _next.Public.KeyId);
        File.ReadAllText(_scratch["keys.json"]).ShouldNotContain(_controlPlane.Public.Export().Split('\n')[3]);
    }

    [Fact]
    public void KeyThatIsEnding_ChangesNoKeys()
    {
        Announce(hours: 1);
        _ring.NoteUse(_own.Public.KeyId, _next.Public.KeyId);
        using var thief = PrivateIdentity.Create("control-plane");
        _ring.Trust(new TrustControlPlaneKey { Identity = thief.Public.Export() }, _controlPlane.Public).Refusal!.Code.ShouldBe(FailureCode.KeyChangeRefused);
        _ring.Revoke(new RevokeControlPlaneKey { KeyId = _next.Public.KeyId.ToString() }, _controlPlane.Public).Refusal!.Code.ShouldBe(FailureCode.KeyChangeRefused);
        Trusted().ShouldBe([_controlPlane.Public.KeyId, _next.Public.KeyId]);
    }

    [Fact]
    public void Trust_AKeyOfAnotherName_IsRefused()
    {
        using var other = PrivateIdentity.Create("somebody");
        _ring.Trust(new TrustControlPlaneKey { Identity = other.Public.Export() }, _controlPlane.Public).Refusal.ShouldNotBeNull();
        _ring.Trust(new TrustControlPlaneKey { Identity = "nonsense" }, _controlPlane.Public).Refusal.ShouldNotBeNull();
    }

    [Fact]
    public void Rotate_Repeated_GivesOneKeyAndEndsTheOldOneAfterItsUse()
    {
        var order = new RotateAgentKey { Replaces = _own.Public.KeyId.ToString(), OverlapSeconds = 60 };
        var made = PublicIdentity.Parse(_ring.Rotate(order).Key!.Identity);
        Reopen();
        PublicIdentity.Parse(_ring.Rotate(order).Key!.Identity).KeyId.ShouldBe(made.KeyId);
        _ring.NoteUse(made.KeyId, _controlPlane.Public.KeyId);
        _time.Advance(TimeSpan.FromSeconds(61));
        _ring.Own.Select(k => k.Public.KeyId).ShouldBe([made.KeyId]);
        _ring.Rotate(order).Refusal.ShouldNotBeNull();
    }

    [Fact]
    public void Rotate_MoreOftenThanKeysEnd_IsRefused()
    {
        var newest = _own.Public.KeyId;
        for (var i = 1; i < KeyRing.KeysMax; i++)
        {
            newest = PublicIdentity.Parse(_ring.Rotate(new RotateAgentKey { Replaces = newest.ToString() }).Key!.Identity).KeyId;
        }

        _ring.Rotate(new RotateAgentKey { Replaces = newest.ToString() }).Refusal.ShouldNotBeNull();
    }

    [Fact]
    public void Distrust_OfTheNextKey_LeavesTheOldOneForGood()
    {
        Announce(hours: 1);
        _ring.NoteUse(_own.Public.KeyId, _next.Public.KeyId);
        _ring.Distrust(_next.Public.KeyId.ToString()).Keys!.KeyIds.ShouldBe([_controlPlane.Public.KeyId.ToString()]);
        _time.Advance(TimeSpan.FromDays(1));
        Trusted().ShouldBe([_controlPlane.Public.KeyId]);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("""{"v":2,"own":[{"identity":"x"}],"trusted":[{"identity":"x"}]}""")]
    [InlineData("""{"v":1,"own":[],"trusted":[]}""")]
    public void Open_WhatIsNoKeyFileOfThisVersion_IsRefused(string text)
    {
        File.WriteAllText(_scratch["keys.json"], text);
        Should.Throw<AgentException>(Open).Fault.ShouldBe(AgentFault.Keys);
    }

    private List<KeyId> Trusted() => [.. _ring.Trusted.Select(k => k.KeyId)];

    private void Announce(int hours) =>
        _ring.Trust(new TrustControlPlaneKey { Identity = _next.Public.Export(), OverlapSeconds = hours * 3600 }, _controlPlane.Public).Keys.ShouldNotBeNull();

    private KeyRing Open() => KeyRing.Open(_scratch["keys.json"], _time, NullLogger.Instance);

    private void Reopen() => _ring = Open();
}
