using System.Reflection;
using Backup.Agent;
using Backup.Agent.Hosting;
using Backup.Agent.Settings;
using Backup.AgentApi;
using Backup.Relay;
using Microsoft.Extensions.Hosting;

var version = Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
if (AgentArguments.Parse(args, version) is not { } arguments)
{
    await Console.Error.WriteLineAsync(AgentArguments.Usage).ConfigureAwait(false);
    return AgentExit.Usage;
}

if (arguments.Verb == AgentVerb.Say)
{
    Console.WriteLine(arguments.Text);
    return AgentExit.Done;
}

try
{
    var settings = AgentSettingsFile.Load(arguments.ConfigFile);
    if (arguments.Verb != AgentVerb.Run)
    {
        Console.WriteLine(arguments.Verb == AgentVerb.Check
            ? "The configuration is free of mistakes."
            : await KeyCommands.RunAsync(arguments, settings, TimeProvider.System).ConfigureAwait(false));
        return AgentExit.Done;
    }

    using var host = AgentHost.Build(settings, TimeProvider.System);
    await host.RunAsync().ConfigureAwait(false);
    return AgentExit.Done;
}
catch (Exception e) when (e is AgentException or AgentApiException or RelayException)
{
    await Console.Error.WriteLineAsync($"Backup.Agent: {e.Message}").ConfigureAwait(false);
    return e is AgentException { IsTransient: true } ? AgentExit.Failed : AgentExit.Configuration;
}
