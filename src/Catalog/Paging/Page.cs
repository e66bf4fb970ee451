using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Backup.Catalog.Paging;

/// <summary>Some rows, newest first.</summary>
/// <param name="Items">At most the limit asked for.</param>
/// <param name="Next">What to pass for the following page; null when this was the last. Opaque.</param>
public sealed record CatalogPage<T>(IReadOnlyList<T> Items, string? Next);

/// <summary>
/// A place in a list: the last row's instant and id. Rows that arrive later never shift it, unlike an offset.
/// </summary>
/// <param name="Before">Rows strictly before this instant follow…</param>
/// <param name="Id">…and rows at it with a smaller id.</param>
public readonly record struct PageCursor(DateTimeOffset Before, string Id)
{
    /// <summary>The most rows in one page.</summary>
    public const int LimitMax = 200;

    /// <summary>Rows in a page when nobody says otherwise.</summary>
    public const int LimitDefault = 50;

    private const int TokenCharsMax = 1024;

    /// <summary>Before every row: PostgreSQL's last whole year.</summary>
    internal static readonly PageCursor Start = new(new DateTimeOffset(9999, 1, 1, 0, 0, 0, TimeSpan.Zero), "");

    /// <summary>Reads a token; null begins at the newest row.</summary>
    /// <exception cref="CatalogException">The text is no token of this catalog.</exception>
    internal static PageCursor Read(string? token)
    {
        if (token is null)
        {
            return Start;
        }

        Span<byte> bytes = stackalloc byte[TokenCharsMax];
        if (token.Length <= TokenCharsMax
            && Base64Url.IsValid(token)
            && Base64Url.TryDecodeFromChars(token, bytes, out var length)
            && Encoding.UTF8.GetString(bytes[..length]).Split('\n') is ["1", var ticks, var id]
            && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var utcTicks)
            && utcTicks <= DateTimeOffset.MaxValue.UtcTicks)
        {
            return new PageCursor(new DateTimeOffset(utcTicks, TimeSpan.Zero), id);
        }

        throw new CatalogException(CatalogFault.BadCursor, "The continuation token is not one that this list gave.", "Leave it out to begin at the newest entry, and pass tokens on unchanged.");
    }

    internal static CatalogPage<T> Page<T>(List<T> rows, int limit, Func<T, PageCursor> cursor) =>
        rows.Count <= limit ? new CatalogPage<T>(rows, null) : new CatalogPage<T>(rows[..limit], cursor(rows[limit - 1]).Token());

    internal static int CheckLimit(int limit) =>
        limit is >= 1 and <= LimitMax ? limit : throw new ArgumentOutOfRangeException(nameof(limit), limit, $"A page holds 1 to {LimitMax} entries");

    private string Token() => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"1\n{Before.UtcTicks}\n{Id}")));
}
