#!/usr/bin/env bash
# Kills the published backupctl at random moments of BACKUPCTL_KILLS operations on a vault (100 unless set); BACKUPCTL_KILL_SEED repeats an earlier run.
# After each, all data is verified and the newest snapshot restored; at the end every one.
set -euo pipefail
cd "$(dirname "$0")/../.."
export BACKUPCTL_KILLS=${BACKUPCTL_KILLS:-100}
if [ -z "${BACKUPCTL:-}" ]; then
  dotnet publish src/Cli -c Release -o out
  export BACKUPCTL=$PWD/out/backupctl
fi
dotnet build tests/Cli.Tests
tests/Cli.Tests/bin/Debug/net10.0/Backup.Cli.Tests -showLiveOutput -class Backup.Cli.Tests.ProcessKillTests
