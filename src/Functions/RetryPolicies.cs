using Backup.Catalog;
using Microsoft.DurableTask;

namespace Backup.Functions;

/// <summary>The app's retry policies for activities. What agents and storage do is handled by outcomes, not by these.</summary>
public static class RetryPolicies
{
    /// <summary>
    /// For activities that write to the catalog: 40 attempts, 1 s doubling up to 60 s. Worst-case total of the waits: 1 + 2 + 4 + 8 +
    /// 16 + 32 + 33 × 60 = 2,043 s, about 34 minutes of a database that is away. Anything but a catalog failure is not retried.
    /// </summary>
    public static readonly TaskOptions Catalog = TaskOptions.FromRetryPolicy(new RetryPolicy(
        maxNumberOfAttempts: 40, firstRetryInterval: TimeSpan.FromSeconds(1), backoffCoefficient: 2, maxRetryInterval: TimeSpan.FromSeconds(60))
    {
        HandleFailure = failure => failure.IsCausedBy<CatalogException>(),
    });

    /// <summary>Looks at a replica: this many attempts, the first included, <see cref="LookRetryWait"/> apart. Worst-case total of the waits: 4 minutes.</summary>
    public const int LookAttemptsMax = 5;

    /// <summary>The wait between two looks at a replica whose storage did not answer.</summary>
    public static readonly TimeSpan LookRetryWait = TimeSpan.FromMinutes(1);
}
