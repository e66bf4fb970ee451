using Backup.Vault.Snapshots;
using Shouldly;

namespace Backup.Vault.Tests.Snapshots;

public sealed class WriterOptionsTests
{
    public static TheoryData<WriterOptions> AtTheirLimits =>
    [
        new WriterOptions(),
        new WriterOptions { CompressionLevel = 0, DataPackBytes = 1 << 20, MetaPackBytes = 1 << 20, PacksPerIndex = 1, TypedFrameBytes = 2 << 20 },
        new WriterOptions { CompressionLevel = 19, DataPackBytes = 32 << 20, MetaPackBytes = 32 << 20, PacksPerIndex = 1024, TypedFrameBytes = 8 << 20 },
    ];

    public static TheoryData<string, WriterOptions> BeyondThem => new()
    {
        { "CompressionLevel", new WriterOptions { CompressionLevel = -1 } },
        { "CompressionLevel", new WriterOptions { CompressionLevel = 20 } },
        { "DataPackBytes", new WriterOptions { DataPackBytes = (1 << 20) - 1 } },
        { "DataPackBytes", new WriterOptions { DataPackBytes = (32 << 20) + 1 } },
        { "MetaPackBytes", new WriterOptions { MetaPackBytes = 0 } },
        { "PacksPerIndex", new WriterOptions { PacksPerIndex = 0 } },
        { "PacksPerIndex", new WriterOptions { PacksPerIndex = 1025 } },
        { "TypedFrameBytes", new WriterOptions { TypedFrameBytes = (2 << 20) - 1 } },
        { "TypedFrameBytes", new WriterOptions { TypedFrameBytes = (8 << 20) + 1 } },
    };

    [Theory]
    [MemberData(nameof(AtTheirLimits))]
    public void Check_WithinTheLimits_Passes(WriterOptions options) => Should.NotThrow(options.Check);

    [Theory]
    [MemberData(nameof(BeyondThem))]
    public void Check_BeyondALimit_NamesIt(string name, WriterOptions options) => Should.Throw<ArgumentOutOfRangeException>(options.Check).ParamName.ShouldBe(name);
}
