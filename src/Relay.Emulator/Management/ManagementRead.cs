using System.Globalization;
using System.Text;
using System.Xml.Linq;
using Microsoft.AspNetCore.Http;

namespace Backup.Relay.Emulator;

/// <summary>The one management call the official clients make: describe a hybrid connection.</summary>
internal sealed class ManagementRead(EntityTable entities, TokenGate gate, RelayEmulatorOptions options)
{
    public const string MarkerHeader = "X-PROCESS-AT";

    private static readonly XNamespace Atom = "http://www.w3.org/2005/Atom";
    private static readonly XNamespace Connect = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect";

    public static bool IsMeant(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) && string.Equals(request.Headers[MarkerHeader], "ServiceBus", StringComparison.OrdinalIgnoreCase);

    public async Task HandleAsync(HttpContext context, RequestTarget target)
    {
        var entity = entities.Find(target);
        var token = context.Request.Headers.Authorization.ToString() is { Length: > 0 } given ? given : TokenCarrier.OfSocket(context.Request, target);
        // Whoever may listen, send or manage may look: both official clients ask with the token they work with.
        var (refusal, _) = gate.Check(token, target, entity, RelayRights.Manage);
        refusal ??= entity is null ? Refusal.UnknownEntity : null;
        var document = refusal is null ? Describe(entity!) : Error(refusal, target);
        context.Response.StatusCode = refusal?.StatusCode ?? 200;
        context.Response.ContentType = refusal is null ? "application/atom+xml; type=entry; charset=utf-8" : "application/xml; charset=utf-8";
        var body = Encoding.UTF8.GetBytes(document.ToString(SaveOptions.DisableFormatting));
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }

    private XElement Describe(Entity entity)
    {
        var (created, updated) = (Time(entity.CreatedAt), Time(entity.UpdatedAt));
        var address = $"https://{options.Host}/{entity.Path}?api-version=2016-07";
        return new XElement(Atom + "entry",
            new XElement(Atom + "id", address),
            new XElement(Atom + "title", new XAttribute("type", "text"), entity.Path.Value),
            new XElement(Atom + "published", created),
            new XElement(Atom + "updated", updated),
            new XElement(Atom + "author", new XElement(Atom + "name", options.Host)),
            new XElement(Atom + "link", new XAttribute("rel", "self"), new XAttribute("href", address)),
            new XElement(Atom + "content", new XAttribute("type", "application/xml"),
                new XElement(Connect + "HybridConnectionDescription",
                    new XElement(Connect + "CreatedAt", created),
                    new XElement(Connect + "UpdatedAt", updated),
                    new XElement(Connect + "RequiresClientAuthorization", entity.Options.RequiresClientAuthorization),
                    new XElement(Connect + "UserMetadata", entity.Options.UserMetadata),
                    new XElement(Connect + "ListenerCount", entity.ListenerCount))));
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffffffZ", CultureInfo.InvariantCulture);

    private XElement Error(Refusal refusal, RequestTarget target) =>
        new("Error", new XElement("Code", refusal.StatusCode), new XElement("Detail", ReasonPhrase.Clean(refusal.Text(options.Host, target.Path, options.Clock))));
}
