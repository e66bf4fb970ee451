using System.Globalization;
using System.Reflection;
using Backup.Standalone.Durable.Store;
using Backup.Standalone.Hosting;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Backup.Standalone.Timers;

/// <summary>Fires timer functions: (1) open the schedule (2) wait (3) claim the firing (4) run (5) move the schedule on.</summary>
internal sealed class TimerHost(
    FunctionCatalog catalog,
    FunctionInvoker invoker,
    TimerStore store,
    IConfiguration configuration,
    IServiceScopeFactory scopes,
    IHostApplicationLifetime lifetime,
    TimeProvider time,
    ILoggerFactory loggers) : BackgroundService
{
    private static readonly TimeSpan ClaimLength = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    // A firing that is this late was missed, not merely delayed by a busy machine.
    private static readonly TimeSpan PastDueTolerance = TimeSpan.FromSeconds(1);

    private readonly ILogger _logger = loggers.CreateLogger("Backup.Standalone.Timers");
    private readonly List<(FunctionEntry Function, TimerTriggerAttribute Trigger, TimerSchedule Schedule)> _timers = [];

    private DateTime Now => time.GetUtcNow().UtcDateTime;

    /// <exception cref="StandaloneException">A schedule cannot be read, or names a setting that is not set.</exception>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        var zone = configuration["WEBSITE_TIME_ZONE"] is { Length: > 0 } id ? TimeZoneInfo.FindSystemTimeZoneById(id) : TimeZoneInfo.Utc;
        foreach (var function in catalog.Functions)
        {
            if (function.Trigger is TimerTriggerAttribute trigger
                && !string.Equals(configuration[$"AzureWebJobs:{function.Name}:Disabled"], "true", StringComparison.OrdinalIgnoreCase))
            {
                _timers.Add((function, trigger, TimerSchedule.Parse(SettingNames.Resolve(trigger.Schedule, configuration), zone)));
            }
        }

        await base.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(_timers.Select(t => Task.Run(() => RunAsync(t.Function, t.Trigger, t.Schedule, stoppingToken), stoppingToken)));

    private async Task RunAsync(FunctionEntry function, TimerTriggerAttribute trigger, TimerSchedule schedule, CancellationToken stopping)
    {
        var opened = false;
        var startup = trigger.RunOnStartup;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (!opened)
                {
                    await store.OpenAsync(function.Name, schedule, trigger.UseMonitor, Now, stopping).ConfigureAwait(false);         // (1)
                    opened = true;
                }

                if (startup)
                {
                    await FireAsync(function, trigger, schedule, null, stopping).ConfigureAwait(false);
                    startup = false;
                }

                var state = (await store.FindAsync(function.Name, stopping).ConfigureAwait(false))!;
                var wait = state.Next - Now;
                if (wait > TimeSpan.Zero)
                {
                    await Task.Delay(wait < LookInterval ? wait : LookInterval, time, stopping).ConfigureAwait(false);               // (2)
                }
                else if (!await FireAsync(function, trigger, schedule, state, stopping).ConfigureAwait(false))
                {
                    await Task.Delay(RetryDelay, time, stopping).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (DurableDatabase.IsTransient(exception))
            {
                TimerLog.StoreAway(_logger, function.Name, exception.Message);
                await Task.Delay(RetryDelay, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<bool> FireAsync(
        FunctionEntry function, TimerTriggerAttribute trigger, TimerSchedule schedule, TimerState? due, CancellationToken stopping)
    {
        var claim = Guid.NewGuid();
        var fired = Now;
        if (!await store.ClaimAsync(function.Name, due?.Next, claim, fired, fired + ClaimLength, stopping).ConfigureAwait(false))     // (3)
        {
            return false;
        }

        var info = new TimerInfo
        {
            IsPastDue = due is not null && fired - due.Next > PastDueTolerance,
            ScheduleStatus = !trigger.UseMonitor ? null : new ScheduleStatus
            {
                Last = due?.Last ?? default,
                Next = schedule.Next(fired),
                LastUpdated = due?.Updated ?? fired,
            },
        };
        using var ended = new CancellationTokenSource();
        var renewing = RenewAsync(function.Name, claim, ended.Token);
        try
        {
            await RunWithRetriesAsync(function, info, stopping).ConfigureAwait(false);                                               // (4)
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await renewing.ConfigureAwait(false);
        }

        var next = schedule.Next(Now > fired ? Now : fired);
        await store.EndAsync(function.Name, claim, fired, next, Now, CancellationToken.None).ConfigureAwait(false);                  // (5)
        return true;
    }

    private async Task RenewAsync(string function, Guid claim, CancellationToken ended)
    {
        while (!ended.IsCancellationRequested)
        {
            await Task.Delay(ClaimLength / 3, time, ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                if (!ended.IsCancellationRequested)
                {
                    await store.ClaimAsync(function, null, claim, Now, Now + ClaimLength, CancellationToken.None).ConfigureAwait(false);
                }
            }
            catch (Exception exception) when (DurableDatabase.IsTransient(exception))
            {
                TimerLog.StoreAway(_logger, function, exception.Message);
            }
        }
    }

    private async Task RunWithRetriesAsync(FunctionEntry function, TimerInfo info, CancellationToken stopping)
    {
        var retry = function.Method.GetCustomAttribute<RetryAttribute>();
        for (var attempt = 1; ; attempt++)
        {
            var scope = scopes.CreateAsyncScope();
            await using (scope.ConfigureAwait(false))
            {
                try
                {
                    var data = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase);
                    var context = new InvocationContext(function, scope.ServiceProvider, data, lifetime.ApplicationStopping) { TriggerValue = info };
                    await invoker.InvokeAsync(context).ConfigureAwait(false);
                    return;
                }
#pragma warning disable CA1031 // A failing timer function is logged and comes again at its next firing.
                catch (Exception exception)
#pragma warning restore CA1031
                {
                    TimerLog.Failed(_logger, exception, function.Name, attempt);
                }
            }

            if (retry is null || (retry.MaxRetryCount >= 0 && attempt > retry.MaxRetryCount) || stopping.IsCancellationRequested)
            {
                return;
            }

            await Task.Delay(RetryInterval(retry, attempt), time, stopping).ConfigureAwait(false);
        }
    }

    private static TimeSpan RetryInterval(RetryAttribute retry, int attempt)
    {
        switch (retry)
        {
            case ExponentialBackoffRetryAttribute backoff:
                var least = TimeSpan.Parse(backoff.MinimumInterval, CultureInfo.InvariantCulture);
                var most = TimeSpan.Parse(backoff.MaximumInterval, CultureInfo.InvariantCulture);
                var milliseconds = least.TotalMilliseconds * Math.Pow(2, attempt - 1);
                return milliseconds < most.TotalMilliseconds ? TimeSpan.FromMilliseconds(milliseconds) : most;
            case FixedDelayRetryAttribute fixedDelay:
                return TimeSpan.Parse(fixedDelay.DelayInterval, CultureInfo.InvariantCulture);
            default:
                return TimeSpan.Zero;
        }
    }
}

/// <summary>Events 4400–4499: timers.</summary>
internal static partial class TimerLog
{
    [LoggerMessage(4401, LogLevel.Error, "{Function}: the timer function failed (attempt {Attempt})")]
    internal static partial void Failed(ILogger logger, Exception exception, string function, int attempt);

    [LoggerMessage(4402, LogLevel.Warning, "{Function}: the schedule cannot be read or stored, trying again: {Reason}")]
    internal static partial void StoreAway(ILogger logger, string function, string reason);
}
