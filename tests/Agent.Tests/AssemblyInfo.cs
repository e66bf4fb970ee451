using Backup.Services.Testing;

[assembly: AssemblyFixture(typeof(AzuriteFixture))]
