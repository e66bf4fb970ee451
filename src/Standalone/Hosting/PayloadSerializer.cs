using System.Text;
using System.Text.Json;
using Azure.Core.Serialization;
using Microsoft.Azure.Functions.Worker;
using Microsoft.DurableTask;
using Microsoft.Extensions.Options;

namespace Backup.Standalone.Hosting;

/// <summary>The functions app's serializer as the durable engine's converter.</summary>
internal sealed class PayloadSerializer(IOptions<WorkerOptions> options) : DataConverter
{
    private readonly ObjectSerializer _serializer =
        options.Value.Serializer ?? new JsonObjectSerializer(new JsonSerializerOptions { PropertyNameCaseInsensitive = true });

    public override string? Serialize(object? value)
    {
        if (value is null)
        {
            return null;
        }

        using var stream = new MemoryStream();
        _serializer.Serialize(stream, value, value.GetType(), CancellationToken.None);
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    public override object? Deserialize(string? data, Type targetType)
    {
        if (data is null)
        {
            return null;
        }

        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(data));
        return _serializer.Deserialize(stream, targetType, CancellationToken.None);
    }
}
