#!/usr/bin/env bash
# Kills the agent and the Functions app at random moments of SOAK_ROUNDS runs (10 unless set); SOAK_SEED repeats an earlier soak.
set -euo pipefail
cd "$(dirname "$0")/../.."
dotnet build tests/EndToEnd.Tests
tests/EndToEnd.Tests/bin/Debug/net10.0/Backup.EndToEnd.Tests -explicit only -diagnostics -class Backup.EndToEnd.Tests.Faults.RandomKillSoak
