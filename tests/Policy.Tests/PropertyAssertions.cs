using System.Runtime.CompilerServices;
using Shouldly;

namespace Backup.Policy.Tests;

/// <summary>For what is asserted thousands of times: Shouldly's own compiles its predicate at every call, which takes longer than everything else in a property test.</summary>
internal static class PropertyAssertions
{
    internal static void ShouldAllHold<T>(this IEnumerable<T> items, Func<T, bool> predicate, [CallerArgumentExpression(nameof(predicate))] string? text = null) =>
        items.Where(item => !predicate(item)).ShouldBeEmpty(text);
}
