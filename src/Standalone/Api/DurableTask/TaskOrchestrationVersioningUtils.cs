namespace Microsoft.DurableTask.Abstractions;

/// <summary>Ordering of orchestration versions.</summary>
public static class TaskOrchestrationVersioningUtils
{
    /// <summary>
    /// Compares two versions: as <see cref="System.Version"/> where both parse as one, else as text without regard to case.
    /// An empty version is older than any other.
    /// </summary>
    /// <returns>Negative, zero or positive, as <see cref="IComparable.CompareTo"/>.</returns>
    public static int CompareVersions(string sourceVersion, string otherVersion)
    {
        var sourceEmpty = string.IsNullOrWhiteSpace(sourceVersion);
        var otherEmpty = string.IsNullOrWhiteSpace(otherVersion);
        if (sourceEmpty || otherEmpty)
        {
            return otherEmpty.CompareTo(sourceEmpty);
        }

        return System.Version.TryParse(sourceVersion, out var source) && System.Version.TryParse(otherVersion, out var other)
            ? source.CompareTo(other)
            : string.Compare(sourceVersion, otherVersion, StringComparison.OrdinalIgnoreCase);
    }
}
