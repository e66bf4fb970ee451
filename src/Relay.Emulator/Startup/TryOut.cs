using System.Security.Cryptography;

namespace Backup.Relay.Emulator;

/// <summary>Something to develop against without writing a configuration first.</summary>
internal static class TryOut
{
    private const int Port = 5443;
    private const string RuleName = "RootManageSharedAccessKey";
    private const UnixFileMode Secret = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly string Configuration = $$"""
        {
          // Read again whenever it is saved. src/Relay.Emulator/README.md explains every key.
          "port": {{Port}},
          "certificateFile": "certificate.pem", "certificateKeyFile": "certificate.key",
          "rules": [ { "name": "{{RuleName}}", "keyFile": "root.key", "rights": [ "Manage" ] } ],
          "entities": [
            { "path": "hyco" },
            { "path": "hyco-open", "requiresClientAuthorization": false }
          ]
        }

        """;

    /// <summary>Makes what is missing in the folder and tells how to use it.</summary>
    /// <returns>The configuration file's path.</returns>
    /// <exception cref="EmulatorException">The folder cannot be written.</exception>
    public static string Prepare(string folder, TextWriter output)
    {
        var certificate = Path.GetFullPath(DevelopmentCertificate.Ensure(folder, TimeProvider.System));
        var (file, keyFile, connection) = (Path.Combine(folder, "relay.json"), Path.Combine(folder, "root.key"), Path.Combine(folder, "connection-string"));
        try
        {
            Make(keyFile, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
            Make(connection, $"Endpoint=sb://localhost:{Port}/;SharedAccessKeyName={RuleName};SharedAccessKey={File.ReadAllText(keyFile).Trim()};EntityPath=hyco");
            Make(file, Configuration);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EmulatorException(EmulatorFault.Configuration, $"'{folder}' cannot be used: {e.Message}", "Start in a folder that can be written, or give --config.", e);
        }
        output.WriteLine($"""
            Endpoint            sb://localhost:{Port}, hybrid connections 'hyco' and 'hyco-open' (senders need no token)
            Configuration       {Path.GetFullPath(file)} (add your own; it is read again when saved)
            Rule and key        {RuleName}, {Path.GetFullPath(keyFile)}
            Connection string   {Path.GetFullPath(connection)}

            Trust the certificate for one process, set before it starts:
              .NET on Linux     export SSL_CERT_FILE={certificate}
              Node              export NODE_EXTRA_CA_CERTS={certificate}
              curl              --cacert {certificate}

            .NET (Microsoft.Azure.Relay): the connection string is enough
              var listener = new HybridConnectionListener(File.ReadAllText("{connection}"));
            Node (hyco-https): write the address yourself, the package's helpers would add a second port
              const uri = 'wss://localhost:{Port}/$hc/hyco?sb-hc-action=listen';
              createRelayedServer({'{'} server: uri, token: () => createRelayToken(uri, '{RuleName}', key) {'}'}, handler).listen();
            Once a listener runs on 'hyco-open':
              curl --cacert {certificate} https://localhost:{Port}/hyco-open

            """);
        return file;
    }

    private static void Make(string path, string text)
    {
        if (File.Exists(path)) return;
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = Secret;
        using var file = new StreamWriter(new FileStream(path, options));
        file.Write(text);
    }
}
