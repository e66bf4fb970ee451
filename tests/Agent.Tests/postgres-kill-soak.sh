#!/usr/bin/env bash
# Kills the agent at random moments of POSTGRES_KILLS base backups, of as many stretches of WAL streaming and of as many restores (20 each unless set);
# POSTGRES_KILL_SEED repeats an earlier soak.
set -euo pipefail
cd "$(dirname "$0")/../.."
export POSTGRES_KILLS=${POSTGRES_KILLS:-20}
dotnet build tests/Agent.Tests
tests/Agent.Tests/bin/Debug/net10.0/Backup.Agent.Tests -showLiveOutput -class Backup.Agent.Tests.EndToEnd.PostgresKillTests
