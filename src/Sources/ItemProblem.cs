namespace Backup.Sources;

/// <summary>What happened to one item of an asset.</summary>
public enum ItemProblemKind
{
    /// <summary>It is not in the snapshot (or not in the target), or only in part: the reason says why. Makes the outcome partial.</summary>
    Unreadable,

    /// <summary>It changed while it was read, twice: its content may mix two states and is flagged so in the snapshot (growing logs are the usual case).</summary>
    ChangedWhileRead,

    /// <summary>It was removed between being listed and being read. A fact, not a failure: the asset has no such item any more.</summary>
    Vanished,

    /// <summary>Left out because it holds no data (a socket), or a property that could not be set by this user.</summary>
    Note,
}

/// <summary>One item that did not go the ordinary way.</summary>
/// <param name="Path">Absolute path; bytes that are not printable UTF-8 are shown as <c>\xNN</c>.</param>
/// <param name="Kind">What happened.</param>
/// <param name="Reason">Why, for a person.</param>
public sealed record ItemProblem(string Path, ItemProblemKind Kind, string Reason)
{
    /// <summary>The asset is not completely in the snapshot because of this.</summary>
    public bool MakesPartial => Kind is ItemProblemKind.Unreadable;
}
