namespace Backup.Vault.Replicating;

/// <summary>
/// Buffers of one size, used again and again: arrays of many megabytes that are allocated for every object pile up faster than the collector takes
/// them away (635 MiB where 100 are in use).
/// </summary>
internal sealed class CopyBuffers(int bytesEach)
{
    private readonly Idle<byte[]> _idle = new();

    /// <summary>A buffer whose content is whatever was in it.</summary>
    public byte[] Rent() => _idle.TryTake(out var buffer) ? buffer : GC.AllocateUninitializedArray<byte>(bytesEach);

    public void Return(byte[] buffer) => _idle.Return(buffer);
}
