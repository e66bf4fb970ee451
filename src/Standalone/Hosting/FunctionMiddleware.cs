using Microsoft.Azure.Functions.Worker.Middleware;

namespace Backup.Standalone.Hosting;

/// <summary>The middleware around every invocation, in the order it was added.</summary>
internal sealed class FunctionMiddleware
{
    private readonly List<Func<FunctionExecutionDelegate, FunctionExecutionDelegate>> _middleware = [];

    public void Add(Func<FunctionExecutionDelegate, FunctionExecutionDelegate> middleware)
    {
        ArgumentNullException.ThrowIfNull(middleware);
        _middleware.Add(middleware);
    }

    /// <summary>The whole pipeline around a function.</summary>
    public FunctionExecutionDelegate Around(FunctionExecutionDelegate function)
    {
        var pipeline = function;
        for (var i = _middleware.Count - 1; i >= 0; i--)
        {
            pipeline = _middleware[i](pipeline);
        }

        return pipeline;
    }
}
