using System.Xml;
using Azure;
using Azure.Identity;
using Azure.Storage.Blobs.Models;

namespace Backup.Vault.AzureBlob;

/// <summary>Says failures of the Azure SDK in the vault's words. Texts hold status and error code, never a URL's query.</summary>
internal static class BlobFailures
{
    /// <summary>True for exceptions of the SDK that <see cref="Explain"/> understands; a cancellation asked for by the caller is not one.</summary>
    public static bool IsFailure(Exception e, CancellationToken cancel) => e switch
    {
        OperationCanceledException => !cancel.IsCancellationRequested,
        RequestFailedException or AuthenticationFailedException or AggregateException or IOException or HttpRequestException => !cancel.IsCancellationRequested,
        // A listing that was cut short on the way: the SDK's own retries end before it reads what came.
        XmlException => true,
        _ => false,
    };

    public static VaultException Explain(Exception e, string what, string verb)
    {
        if (e is AuthenticationFailedException)
        {
            return new VaultException(
                VaultFault.AccessDenied, $"Could not {verb} {what}: no Azure identity could sign in.",
                "Give the machine a managed identity or sign in with the Azure CLI, or use a SAS or connection string.", e);
        }

        return FindRequestFailure(e) is { Status: > 0 } failure ? ExplainAnswer(failure, e, what, verb) : Unreachable(e, what, verb);
    }

    /// <summary>The service's last answer when it gave one: after retries the SDK wraps every attempt's failure.</summary>
    public static RequestFailedException? FindRequestFailure(Exception e) => e switch
    {
        RequestFailedException failure => failure,
        AggregateException all => all.Flatten().InnerExceptions.OfType<RequestFailedException>().LastOrDefault(),
        _ => null,
    };

    private static VaultException ExplainAnswer(RequestFailedException failure, Exception e, string what, string verb)
    {
        var answer = $"Could not {verb} {what}: blob storage answered {failure.Status} {failure.ErrorCode}";
        if (failure.ErrorCode == BlobErrorCode.ContainerNotFound)
        {
            return new VaultException(VaultFault.NotFound, $"{answer}.", "Create the container first, or correct its name.", e);
        }

        if (failure.ErrorCode == BlobErrorCode.BlobArchived || failure.ErrorCode == BlobErrorCode.BlobBeingRehydrated)
        {
            return new VaultException(
                VaultFault.AccessDenied, $"{answer}: the object is in the archive tier.", "Rehydrate it to the hot or cool tier, which takes hours, then try again.", e);
        }

        return failure.Status switch
        {
            404 => new VaultException(VaultFault.NotFound, $"{what} does not exist.", "If a replica has it, run 'vault repair'.", e),
            401 or 403 => new VaultException(
                VaultFault.AccessDenied, $"{answer}.", "The credential is wrong, has expired or does not allow this; check its permissions and the machine's clock.", e),
            408 or 429 or >= 500 => new VaultException(VaultFault.StoreUnavailable, $"{answer}, after retries.", "Try again later.", e),
            _ => new VaultException(VaultFault.AccessDenied, $"{answer}.", "Blob storage refused the request; the error code says why.", e),
        };
    }

    private static VaultException Unreachable(Exception e, string what, string verb)
    {
        var reason = e is AggregateException all ? all.Flatten().InnerExceptions[^1] : e;
        return new VaultException(
            VaultFault.StoreUnavailable, $"Could not {verb} {what}: blob storage cannot be reached ({reason.GetBaseException().Message}).",
            "Check the network, the name of the storage account and its firewall.", e);
    }
}
