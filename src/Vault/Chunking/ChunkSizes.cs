namespace Backup.Vault.Chunking;

/// <summary>Limits of content-defined chunk lengths, in bytes. Part of format version 1: other values find no duplicates.</summary>
internal readonly record struct ChunkSizes(int Min, int Mean, int Max)
{
    /// <summary>Files up to this length are one chunk each.</summary>
    internal const int WholeBytesMax = 512 * 1024;

    /// <summary>Streams from this length on are cut coarsely.</summary>
    internal const long LargeBytesMin = 64L * 1024 * 1024;

    internal static ChunkSizes Medium { get; } = new(64 * 1024, 256 * 1024, 1024 * 1024);

    internal static ChunkSizes Large { get; } = new(256 * 1024, 1024 * 1024, 3 * 1024 * 1024);

    internal static ChunkSizes For(long length) => length < LargeBytesMin ? Medium : Large;
}
