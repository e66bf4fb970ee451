using System.Globalization;
using System.Text;

namespace Backup.Standalone.Durable.Store;

/// <summary>Where a page ended: the sort key of its last instance. Opaque to callers.</summary>
internal sealed record PageToken(DateTime CreatedAt, string InstanceId)
{
    public PageToken(InstanceRecord last)
        : this(last.CreatedAt, last.InstanceId)
    {
    }

    /// <summary>Reads a token.</summary>
    /// <exception cref="ArgumentException">The text is not a token of ours.</exception>
    public static PageToken? Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        var bytes = new byte[text.Length];
        if (Convert.TryFromBase64String(text, bytes, out var length))
        {
            var decoded = Encoding.UTF8.GetString(bytes, 0, length);
            var separator = decoded.IndexOf('|', StringComparison.Ordinal);
            if (separator > 0 && long.TryParse(decoded.AsSpan(0, separator), CultureInfo.InvariantCulture, out var ticks)
                && ticks >= 0 && ticks <= DateTime.MaxValue.Ticks)
            {
                return new PageToken(new DateTime(ticks, DateTimeKind.Utc), decoded[(separator + 1)..]);
            }
        }

        throw new ArgumentException("The continuation token is not one that a query has returned.", nameof(text));
    }

    public override string ToString() =>
        Convert.ToBase64String(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{CreatedAt.Ticks}|{InstanceId}")));
}
