using Backup.LocalStack.Run;
using Backup.LocalStack.Services;

namespace Backup.EndToEnd.Tests;

/// <summary>Runs the agent under other conditions for one test: started through another program, and back to normal at the end.</summary>
internal sealed class AgentSwap : IAsyncDisposable
{
    private readonly Stack _stack;
    private readonly Supervised _swapped;

    private AgentSwap(Stack stack, Supervised swapped) => (_stack, _swapped) = (stack, swapped);

    public ChildProcess Agent => _swapped.Child;

    public static async Task<AgentSwap> ToAsync(Stack stack, string program, IEnumerable<string> arguments)
    {
        await stack.Agent.StopAsync();
        var normal = stack.Agent.Spec;
        var swapped = stack.Agent.With(normal with { Program = program, Arguments = [.. arguments, normal.Program, .. normal.Arguments] });
        try
        {
            await swapped.StartAsync(RunningSystem.Cancel);
            return new AgentSwap(stack, swapped);
        }
        catch
        {
            await swapped.DisposeAsync();
            await stack.Agent.StartAsync(CancellationToken.None);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _swapped.DisposeAsync();
        await _stack.Agent.StartAsync(CancellationToken.None);
    }
}
