using System.Reflection;
using Backup.Functions.Tests.Scripted;
using Microsoft.Azure.Functions.Worker;
using Shouldly;

namespace Backup.Functions.Tests;

/// <summary>What the Microsoft Worker Sdk demands when it generates metadata, so that the Azure flavour keeps compiling.</summary>
public sealed class FunctionConventionTests
{
    [Fact]
    public void Functions_Names_AreUniqueWhateverTheirCase() =>
        ReflectedFunctions.All().Select(f => f.Name.ToUpperInvariant()).ShouldBeUnique();

    [Fact]
    public void Functions_Methods_ArePublicOnPublicNonGenericClasses() =>
        ReflectedFunctions.All().Where(f => !f.Method.IsPublic || f.Method.IsGenericMethod || !f.Method.DeclaringType!.IsPublic || f.Method.DeclaringType.IsGenericType)
            .Select(f => f.Name).ShouldBeEmpty();

    [Fact]
    public void Functions_OfTheDesign_AreThere() =>
        new[] { "ScheduleTimer", "FleetBackup", "AssetBackup", "Restore", "AgentJob", "CatalogRebuild" }.Except(ReflectedFunctions.All().Select(f => f.Name)).ShouldBeEmpty();

    [Fact]
    public void HttpFunctions_OnlyHealthAndEnrolment_AreAnonymous() =>
        ReflectedFunctions.With<HttpTriggerAttribute>()
            .Where(f => f.Trigger.GetCustomAttribute<HttpTriggerAttribute>()!.AuthLevel is AuthorizationLevel.Anonymous).Select(f => f.Name).Order().ShouldBe(["GetEnrolment", "GetHealth", "PostEnrolment"]);

    [Fact]
    public void HttpFunctions_RebuildAndKeys_NeedTheAdminKey() =>
        ReflectedFunctions.With<HttpTriggerAttribute>()
            .Where(f => f.Trigger.GetCustomAttribute<HttpTriggerAttribute>()!.AuthLevel is AuthorizationLevel.Admin).Select(f => f.Name).Order()
            .ShouldBe([
                "GetCatalogRebuild", "PostAgentEnrolment", "PostAgentKeyRevocation", "PostAgentKeyRotation", "PostCatalogRebuild", "PostControlPlaneKeyAnnouncement", "PostControlPlaneKeyRevocation",
            ]);
}
