using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Backup.Standalone.Tests.Http;

internal static class HostExtensions
{
    public static IHostBuilder ConfigureWebHostUrl(this IHostBuilder builder, string url) => builder.ConfigureWebHost(web => web.UseUrls(url));

    public static Uri FirstAddress(this IHost host) =>
        new(host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
}
