using Backup.Cli.Snapshots;

namespace Backup.Cli.Output;

/// <summary>Columns aligned by spaces: the same on a terminal and in a pipe. The last column is not padded.</summary>
internal sealed class TextTable(params string[] heads)
{
    private readonly List<string[]> _rows = [heads];
    private readonly HashSet<int> _numbers = [];

    /// <summary>Aligns columns of quantities to the right.</summary>
    public TextTable Right(params int[] columns)
    {
        _numbers.UnionWith(columns);
        return this;
    }

    public void Add(params string[] cells) => _rows.Add([.. cells.Select(EntryText.Printable)]);

    public void WriteTo(TextWriter writer)
    {
        var widths = Enumerable.Range(0, heads.Length).Select(column => _rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in _rows)
        {
            var cells = row.Select((cell, column) => _numbers.Contains(column) ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]));
            writer.WriteLine(string.Join("  ", cells).TrimEnd());
        }
    }
}
