using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;

namespace Microsoft.Azure.Functions.Worker.Extensions.Abstractions
{
    /// <summary>The base of binding attributes.</summary>
    [AttributeUsage(AttributeTargets.Method | AttributeTargets.Parameter | AttributeTargets.Property)]
    public abstract class BindingAttribute : Attribute;

    /// <summary>The base of input bindings.</summary>
    [AttributeUsage(AttributeTargets.Parameter)]
    public abstract class InputBindingAttribute : BindingAttribute;

    /// <summary>The base of output bindings.</summary>
    [AttributeUsage(AttributeTargets.Method | AttributeTargets.Property)]
    public abstract class OutputBindingAttribute : BindingAttribute;

    /// <summary>The base of triggers.</summary>
    [AttributeUsage(AttributeTargets.Parameter)]
    public abstract class TriggerBindingAttribute : BindingAttribute;
}

namespace Microsoft.Azure.Functions.Worker
{
    /// <summary>Makes a public method of a public class a function.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    public class FunctionAttribute : Attribute
    {
        /// <summary>Names the function.</summary>
        /// <param name="name">The name, one per app.</param>
        public FunctionAttribute(string name)
        {
            ArgumentNullException.ThrowIfNull(name);
            Name = name;
        }

        /// <summary>The function's name.</summary>
        public string Name { get; }
    }

    /// <summary>The base of function-level retry policies.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    public abstract class RetryAttribute : Attribute
    {
        /// <summary>How often to retry; -1: without end.</summary>
        public int MaxRetryCount { get; protected set; }
    }

    /// <summary>Retries a failed timer function after a fixed delay.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class FixedDelayRetryAttribute : RetryAttribute
    {
        /// <summary>Sets the policy.</summary>
        /// <param name="maxRetryCount">How often to retry; -1: without end.</param>
        /// <param name="delayInterval">The delay, as <c>hh:mm:ss</c>.</param>
        public FixedDelayRetryAttribute(int maxRetryCount, string delayInterval)
        {
            MaxRetryCount = maxRetryCount;
            DelayInterval = delayInterval;
        }

        /// <summary>The delay, as <c>hh:mm:ss</c>.</summary>
        public string DelayInterval { get; }
    }

    /// <summary>Retries a failed timer function after growing delays.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class ExponentialBackoffRetryAttribute : RetryAttribute
    {
        /// <summary>Sets the policy.</summary>
        /// <param name="maxRetryCount">How often to retry; -1: without end.</param>
        /// <param name="minimumInterval">The first delay, as <c>hh:mm:ss</c>.</param>
        /// <param name="maximumInterval">The longest delay, as <c>hh:mm:ss</c>.</param>
        public ExponentialBackoffRetryAttribute(int maxRetryCount, string minimumInterval, string maximumInterval)
        {
            MaxRetryCount = maxRetryCount;
            MinimumInterval = minimumInterval;
            MaximumInterval = maximumInterval;
        }

        /// <summary>The first delay, as <c>hh:mm:ss</c>.</summary>
        public string MinimumInterval { get; }

        /// <summary>The longest delay, as <c>hh:mm:ss</c>.</summary>
        public string MaximumInterval { get; }
    }

    /// <summary>Who may call an HTTP function.</summary>
    public enum AuthorizationLevel
    {
        /// <summary>Anyone.</summary>
        Anonymous = 0,

        /// <summary>An authenticated user.</summary>
        User = 1,

        /// <summary>Who has a function or host key.</summary>
        Function = 2,

        /// <summary>Who has a system key.</summary>
        System = 3,

        /// <summary>Who has the admin key.</summary>
        Admin = 4,
    }

    /// <summary>Makes a function answer HTTP requests.</summary>
    [AttributeUsage(AttributeTargets.Parameter)]
    public sealed class HttpTriggerAttribute : TriggerBindingAttribute
    {
        /// <summary>All methods, function key needed.</summary>
        public HttpTriggerAttribute()
            : this(AuthorizationLevel.Function)
        {
        }

        /// <summary>These methods, function key needed.</summary>
        public HttpTriggerAttribute(params string[] methods)
            : this(AuthorizationLevel.Function, methods)
        {
        }

        /// <summary>All methods.</summary>
        public HttpTriggerAttribute(AuthorizationLevel authLevel) => AuthLevel = authLevel;

        /// <summary>These methods.</summary>
        public HttpTriggerAttribute(AuthorizationLevel authLevel, params string[] methods)
        {
            AuthLevel = authLevel;
            Methods = methods;
        }

        /// <summary>The route under the prefix; null: the function's name.</summary>
        public string? Route { get; set; }

        /// <summary>The methods answered; null: all.</summary>
        public string[]? Methods { get; }

        /// <summary>Who may call.</summary>
        public AuthorizationLevel AuthLevel { get; }
    }

    /// <summary>Marks the property of a result object that is the HTTP answer.</summary>
    [AttributeUsage(AttributeTargets.Property)]
    public sealed class HttpResultAttribute : OutputBindingAttribute;

    /// <summary>Makes a function run on a schedule.</summary>
    [AttributeUsage(AttributeTargets.Parameter)]
    public sealed class TimerTriggerAttribute : TriggerBindingAttribute
    {
        /// <summary>Sets the schedule.</summary>
        /// <param name="schedule">A six-field NCRONTAB expression, a time span, or a setting's name as <c>%name%</c>.</param>
        public TimerTriggerAttribute(string schedule) => Schedule = schedule;

        /// <summary>The schedule.</summary>
        public string Schedule { get; }

        /// <summary>Whether to keep the schedule's state, so that firings missed while nothing ran are made up for. Default true.</summary>
        public bool UseMonitor { get; set; } = true;

        /// <summary>Whether to run when the host starts, too.</summary>
        public bool RunOnStartup { get; set; }
    }

    /// <summary>What a timer function knows of its firing.</summary>
    public class TimerInfo
    {
        /// <summary>The schedule's state; null when it is not monitored.</summary>
        public ScheduleStatus? ScheduleStatus { get; set; }

        /// <summary>Whether the firing is later than the schedule wanted.</summary>
        public bool IsPastDue { get; set; }
    }

    /// <summary>The state of a schedule. Times are local, which means UTC unless the machine is set otherwise.</summary>
    public class ScheduleStatus
    {
        /// <summary>The last firing.</summary>
        public DateTime Last { get; set; }

        /// <summary>The next firing.</summary>
        public DateTime Next { get; set; }

        /// <summary>When this state was stored.</summary>
        public DateTime LastUpdated { get; set; }
    }

    /// <summary>Makes a function an orchestrator.</summary>
    [AttributeUsage(AttributeTargets.Parameter)]
    public sealed class OrchestrationTriggerAttribute : TriggerBindingAttribute
    {
        /// <summary>The orchestrator's name; null: the function's name.</summary>
        public string? Orchestration { get; set; }
    }

    /// <summary>Makes a function an activity.</summary>
    [AttributeUsage(AttributeTargets.Parameter)]
    public sealed class ActivityTriggerAttribute : TriggerBindingAttribute
    {
        /// <summary>The activity's name; null: the function's name.</summary>
        public string? Activity { get; set; }
    }

    /// <summary>Binds a durable client.</summary>
    [AttributeUsage(AttributeTargets.Parameter)]
    public sealed class DurableClientAttribute : InputBindingAttribute
    {
        /// <summary>The hub; null: the app's own. This host serves the app's own hub only.</summary>
        public string? TaskHub { get; set; }

        /// <summary>The connection setting's name; this host has one connection and ignores it.</summary>
        public string? ConnectionName { get; set; }
    }
}

namespace Microsoft.Azure.Functions.Worker.Http
{
    /// <summary>Binds a parameter to the request's JSON body.</summary>
    [AttributeUsage(AttributeTargets.Parameter)]
    public class FromBodyAttribute : Converters.InputConverterAttribute
    {
        /// <summary>Binds to the body.</summary>
        public FromBodyAttribute()
            : base(typeof(object))
        {
        }
    }
}
