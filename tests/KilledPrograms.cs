using System.Runtime.CompilerServices;

namespace Backup.Testing;

/// <summary>Part of every test assembly: .NET programs that a test kills would leave the sockets and pipes of their diagnostics in the temporary folder.</summary>
internal static class KilledPrograms
{
    [ModuleInitializer]
    internal static void LeaveNothingBehind() => Environment.SetEnvironmentVariable("DOTNET_EnableDiagnostics", "0");
}
