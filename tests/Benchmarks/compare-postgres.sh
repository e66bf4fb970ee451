#!/usr/bin/env bash
# Side by side on one database cluster: pgBackRest (2 processes, zstd level 3, AES-256), pg_basebackup and backupctl; medians, ratios, peak memory.
# usage: compare-postgres.sh [ROUNDS [SCALE]]   (ROUNDS: 3; SCALE: 80, pgbench's, about 15 MB each)
# Installs nothing: needs Debian's postgresql and pgbackrest, and GNU time. As root it goes on as the user postgres: servers refuse root.
# CATALOGUE: an SQL file loaded into the same cluster, such as the void catalogue.
# TMPDIR: where it works (about four times the cluster and three times more for each round); a disk measures the disk as well. PGBIN: the server's programs, if not the newest of Debian's.
# BACKUPCTL: the program to measure; otherwise it is published to out/, for this machine's processor (src/Cli/README.md).
set -euo pipefail
rounds=${1:-3} scale=${2:-80}
root=$(cd "$(dirname "$0")/../.." && pwd)
ctl=${BACKUPCTL:-$root/out/backupctl}
if [ ! -x "$ctl" ]; then dotnet publish "$root/src/Cli" -c Release -o "$root/out" -v quiet -p:IlcInstructionSet=native; fi
bin=${PGBIN:-$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)}
[ -x "$bin/initdb" ] && [ -x "$bin/pgbench" ] || { echo "PostgreSQL's programs are needed (Debian: postgresql); PGBIN names their folder." >&2; exit 2; }
command -v pgbackrest >/dev/null || { echo "pgbackrest is needed." >&2; exit 2; }
[ -x /usr/bin/time ] || { echo "GNU time (/usr/bin/time) is needed to measure memory." >&2; exit 2; }

if [ "$(id -u)" = 0 ]; then
  # The user may not be able to read where this script and the program lie.
  place=$(mktemp -d); chmod 755 "$place"
  cp -r "$(dirname "$(realpath "$ctl")")" "$place/ctl"; cp "$0" "$place/run.sh"
  if [ -n "${CATALOGUE:-}" ]; then cp "$CATALOGUE" "$place/catalogue.sql"; export CATALOGUE=$place/catalogue.sql; fi
  chmod -R a+rX "$place"
  trap 'rm -rf "$place"' EXIT
  cd /
  runuser -u postgres -- env BACKUPCTL="$place/ctl/backupctl" PGBIN="$bin" TMPDIR="${TMPDIR:-/tmp}" CATALOGUE="${CATALOGUE:-}" bash "$place/run.sh" "$rounds" "$scale"
  exit
fi

work=$(mktemp -d)
export HOME=$work PGHOST=$work PGPORT=5432 PGDATABASE=postgres XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state
data=$work/data results=$work/results conf=$work/pgbackrest.conf vault=$work/vault
stop() { if [ -f "$data/postmaster.pid" ]; then "$bin/pg_ctl" -D "$data" -m fast -w stop >/dev/null 2>&1 || true; fi; rm -rf "$work"; }
trap stop EXIT
: > "$results"

# Set aside, not deleted, until the end: for minutes after many files were deleted ext4 passes over their inodes one by one whenever a file is
# made, and whichever tool restores next would pay for it.
aside() { mkdir -p "$work/aside"; local each; for each in "$@"; do if [ -e "$each" ]; then mv "$each" "$(mktemp -d "$work/aside/XXXXXX")/"; fi; done; }

# What earlier steps left for the disk must not be on this step's clock.
measure() {
  local tool=$1 step=$2; shift 2
  sync
  if ! /usr/bin/time -f '%e %M' -o "$work/time" "$@" > "$work/log" 2>&1; then
    echo "$tool $step failed: $*" >&2; tail -n 20 "$work/log" >&2; exit 1
  fi
  echo "$tool $step $(tail -n 1 "$work/time")" >> "$results"
}
bytes() { du -sb "$1" | cut -f 1; }
# Without archived log: what the backup itself added.
repository_bytes() { bytes "$work/repo/backup"; }

"$bin/initdb" -D "$data" -k -A trust -U postgres >/dev/null
cat >> "$data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$work'
shared_buffers = 256MB
max_wal_size = 8GB
checkpoint_timeout = 1h
archive_mode = on
archive_command = 'pgbackrest --config=$conf --stanza=bench archive-push %p'
CONF
cat > "$conf" <<CONF
[global]
repo1-path=$work/repo
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass=bench
compress-type=zst
compress-level=3
process-max=2
start-fast=y
log-path=$work
lock-path=$work/lock
spool-path=$work/spool
log-level-console=warn
repo1-retention-full=99
[bench]
pg1-path=$data
pg1-socket-path=$work
CONF
echo "Host=$work;Port=5432;Username=postgres;Database=postgres" > "$work/connection"
"$bin/pg_ctl" -D "$data" -l "$work/server.log" -w start >/dev/null
"$bin/pgbench" -U postgres -q -i -s "$scale" >/dev/null 2>&1
if [ -n "${CATALOGUE:-}" ]; then
  "$bin/psql" -U postgres -q -v ON_ERROR_STOP=1 -f "$CATALOGUE" >/dev/null
  # As pgbench does with its own tables: otherwise the server would go over these while backups are compared, and change every page.
  "$bin/psql" -U postgres -q -c 'VACUUM (FREEZE, ANALYZE)'
fi

pgbackrest_() { pgbackrest --config="$conf" --stanza=bench "$@"; }
backupctl_() { local command=$1; shift; "$ctl" $command --vault "$vault" --key-file "$work/restore.key" "$@"; }
export -f pgbackrest_ backupctl_
export conf vault work ctl bin

for ((round = 1; round <= rounds; round++)); do
  aside "$work/repo" "$vault"; rm -f "$work"/*.key
  pgbackrest_ stanza-create >/dev/null
  "$ctl" vault init --vault "$vault" --restore-key-file "$work/restore.key" --backup-key-file "$work/backup.key" >/dev/null 2>&1
  # Each round another tool is first.
  tools=(pgbackrest backupctl); if (( round % 2 == 0 )); then tools=(backupctl pgbackrest); fi

  for tool in "${tools[@]}"; do
    "$bin/psql" -U postgres -q -c 'CHECKPOINT'
    case $tool in
      pgbackrest) measure pgbackrest first bash -c 'pgbackrest_ --type=full backup'; echo "pgbackrest first-stored $(repository_bytes) 0" >> "$results"
                  measure pgbackrest unchanged bash -c 'pgbackrest_ --type=incr backup' ;;
      backupctl) measure backupctl first bash -c 'backupctl_ backup-postgres --asset bench --connection-file "$work/connection"'; echo "backupctl first-stored $(bytes "$vault") 0" >> "$results"
                 measure backupctl unchanged bash -c 'backupctl_ backup-postgres --asset bench --connection-file "$work/connection"' ;;
    esac
  done

  measure pg_basebackup first "$bin/pg_basebackup" -U postgres -D "$work/base" -c fast; aside "$work/base"
  "$bin/pgbench" -U postgres -n -c 4 -j 2 -T 10 >/dev/null 2>&1
  "$bin/psql" -U postgres -q -c 'CHECKPOINT'

  for tool in "${tools[@]}"; do
    case $tool in
      pgbackrest) before=$(repository_bytes); measure pgbackrest after-pgbench bash -c 'pgbackrest_ --type=incr backup'; echo "pgbackrest added $(( $(repository_bytes) - before )) 0" >> "$results" ;;
      backupctl) before=$(bytes "$vault"); measure backupctl after-pgbench bash -c 'backupctl_ backup-postgres --asset bench --connection-file "$work/connection"'; echo "backupctl added $(( $(bytes "$vault") - before )) 0" >> "$results" ;;
    esac
  done
  for tool in "${tools[@]}"; do
    case $tool in
      pgbackrest) mkdir -m 700 "$work/target"; measure pgbackrest restore bash -c 'pgbackrest_ --pg1-path="$work/target" restore'
                  measure pgbackrest verify bash -c 'pgbackrest_ verify' ;;
      backupctl) measure backupctl restore bash -c 'backupctl_ restore --asset bench --snapshot latest --target "$work/target"'
                 measure backupctl verify bash -c 'backupctl_ "vault verify" --depth data' ;;
    esac
    aside "$work/target" "$work/target.tablespaces"
  done
done

echo "$("$bin/postgres" --version), scale $scale, $(( $(bytes "$data/base") / 1000000 )) MB, $rounds rounds, on $(stat -f -c %T "$work"), load $(cut -d ' ' -f 1 /proc/loadavg)"
awk '
  { key = $1 " " $2; n[key]++; value[key, n[key]] = $3; if ($4 > memory[$1]) memory[$1] = $4 }
  function median(key,   i, j, t, c) {
    c = n[key]; if (!c) return -1
    for (i = 1; i <= c; i++) for (j = i + 1; j <= c; j++) if (value[key, j] < value[key, i]) { t = value[key, i]; value[key, i] = value[key, j]; value[key, j] = t }
    return value[key, int((c + 1) / 2)]
  }
  function cell(v, step) { if (v < 0) return "–"; if (step ~ /stored|added/) return sprintf("%.1f MB", v / 1e6); return sprintf("%.2f s", v) }
  END {
    split("first unchanged after-pgbench restore verify first-stored added", steps, " "); split("pgbackrest pg_basebackup backupctl", tool, " ")
    printf("%-14s%14s%16s%14s%24s\n", "median", tool[1], tool[2], tool[3], "pgbackrest/backupctl")
    for (s = 1; s <= 7; s++) {
      printf("%-14s", steps[s])
      for (t = 1; t <= 3; t++) { m[t] = median(tool[t] " " steps[s]); printf(t == 2 ? "%16s" : "%14s", cell(m[t], steps[s])) }
      if (m[1] > 0 && m[3] > 0) printf("%24.2f", m[1] / m[3])
      printf("\n")
    }
    printf("%-14s%14s%16s%14s\n", "peak memory", sprintf("%.0f MB", memory[tool[1]] / 1000), sprintf("%.0f MB", memory[tool[2]] / 1000), sprintf("%.0f MB", memory[tool[3]] / 1000))
  }' "$results"
