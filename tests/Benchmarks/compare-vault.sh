#!/usr/bin/env bash
# Side by side on one tree: restic (repository version 2), BorgBackup (repokey-blake2, zstd,3) and backupctl; medians, ratios and peak memory.
# usage: compare-vault.sh DIR [ROUNDS]   (ROUNDS: 3)
# DIR is any tree: an operating system's /usr, FITS catalogues ('tests/Benchmarks -- fits DIR' makes some). It is copied, never changed.
# Installs nothing: a tool that is missing is left out. Needs GNU time, and five times the size of DIR for its work.
# TMPDIR: where it works. A disk measures the disk as well; unset, /dev/shm (memory) is taken when it is large enough.
# TOOLS: some of "restic borg backupctl tar". RESULTS: a file that keeps the raw figures; a run adds its own and shows the medians of all.
# BACKUPCTL: the program to measure; otherwise it is published to out/.
set -euo pipefail
usage() { sed -n '2,8s/^# //p' "$0" >&2; exit 2; }
[ $# -ge 1 ] && [ -d "$1" ] || usage
source_tree=$(cd "$1" && pwd)
rounds=${2:-3}
root=$(cd "$(dirname "$0")/../.." && pwd)
ctl=${BACKUPCTL:-$root/out/backupctl}
if [ ! -x "$ctl" ]; then dotnet publish "$root/src/Cli" -c Release -o "$root/out" -v quiet; fi
[ -x /usr/bin/time ] || { echo "GNU time (/usr/bin/time) is needed to measure memory." >&2; exit 2; }

if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then
  needed=$(( $(du -sk "$source_tree" | cut -f 1) * 5 ))
  free=$(df -k --output=avail /dev/shm | tail -n 1) available=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
  if (( free > needed && available > needed )); then export TMPDIR=/dev/shm; fi
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results=$(realpath "${RESULTS:-$work/results}")
touch "$results"
export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$work/restic-cache BORG_PASSPHRASE=bench BORG_BASE_DIR=$work/borg-base BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
export XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state

tools=()
for tool in restic borg backupctl tar; do
  case $tool in backupctl) program=$ctl ;; tar) program=zstd ;; *) program=$tool ;; esac
  if [[ " ${TOOLS:-restic borg backupctl tar} " == *" $tool "* ]] && command -v "$program" >/dev/null; then tools+=("$tool"); fi
done

# What earlier steps left for the disk must not be on this step's clock.
measure() {
  local tool=$1 step=$2; shift 2
  sync
  if ! /usr/bin/time -f '%e %M' -o "$work/time" "$@" > "$work/log" 2>&1; then
    echo "$tool $step failed: $*" >&2; tail -n 20 "$work/log" >&2; exit 1
  fi
  echo "$tool $step $(tail -n 1 "$work/time")" >> "$results"
}
size() { echo "$1 size $(du -sb "$2" | cut -f 1) 0" >> "$results"; }

# Every tool has four snapshots when it prunes; the older two are dropped.
restic_() { case $1 in
  init) restic init -q --repository-version 2 -r "$2" ;;
  backup) restic backup -q -r "$2" "$3" ;;
  restore) restic restore -q -r "$2" latest --target "$3" ;;
  verify) restic check -q --read-data -r "$2" ;;
  prune) restic forget -q --prune --keep-last 2 -r "$2" ;;
esac; }
borg_() { case $1 in
  init) borg init -e repokey-blake2 "$2" ;;
  backup) borg create -C zstd,3 "$2::$(date +%s%N)" "$3" ;;
  restore) mkdir -p "$3" && cd "$3" && borg extract "$2::$last" ;;
  verify) borg check --verify-data "$2" ;;
  prune) borg prune --keep-last 2 "$2" && borg compact "$2" ;;
esac; }
backupctl_() { case $1 in
  init) "$ctl" vault init --vault "$2" --restore-key-file "$2.key" --backup-key-file "$2.backup.key" ;;
  backup) "$ctl" backup "$3" --vault "$2" --key-file "$2.key" --asset bench ;;
  restore) "$ctl" restore --vault "$2" --key-file "$2.key" --snapshot latest --asset bench --target "$3" ;;
  verify) "$ctl" vault verify --vault "$2" --key-file "$2.key" --depth data ;;
  prune) "$ctl" vault prune --vault "$2" --key-file "$2.key" $drop --grace-days 0 --no-writer-is-running ;;
esac; }
export -f restic_ borg_ backupctl_
export ctl last drop

# Ids that a command needs are looked up before its clock starts.
look_up() {
  last='' drop=''
  case $1 in
    borg) last=$(borg list --last 1 --format '{archive}' "$2") ;;
    backupctl) drop=$("$ctl" snapshots --json --vault "$2" --key-file "$2.key" | grep -oE '"id": ?"[0-9a-f]+"' | head -n 2 | grep -oE '[0-9a-f]{64}' | sed 's/^/--drop /' | tr '\n' ' ') ;;
  esac
}

# 1 % of the files (at least one) get a line more; the largest file gets 1 % of its 4 KiB blocks rewritten.
change() {
  local large blocks
  find "$1" -type f -size +0 | sort | awk 'NR % 100 == 1' | while IFS= read -r f; do echo changed >> "$f"; done
  large=$(find "$1" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  blocks=$(( $(stat -c %s "$large") / 4096 ))
  for ((i = $2; i < blocks; i += 100)); do printf 'changed' | dd of="$large" bs=4096 seek="$i" conv=notrunc status=none; done
}

backup_twice() {
  local repo=$work/$1
  rm -rf "$repo" "$RESTIC_CACHE_DIR" "$BORG_BASE_DIR" "$XDG_CACHE_HOME" "$XDG_STATE_HOME"
  "${1}_" init "$repo" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  measure "$1" first bash -c "${1}_ backup '$repo' '$work/tree'"
  size "$1" "$repo"
  measure "$1" unchanged bash -c "${1}_ backup '$repo' '$work/tree'"
}
in_turn() {
  local step=$1 i; shift
  for ((i = 0; i < ${#tools[@]}; i++)); do "$step" "${tools[(i + round) % ${#tools[@]}]}" "$@"; done
}
first() {
  if [ "$1" != tar ]; then backup_twice "$1"; return; fi
  measure tar first bash -c "tar -C '$work/tree' -cf - . | zstd -q -3 -T2 > '$work/tar.zst'"
  size tar "$work/tar.zst"
  rm "$work/tar.zst"
}
changed() { if [ "$1" != tar ]; then measure "$1" changed bash -c "${1}_ backup '$work/$1' '$work/tree'"; fi; }
rest() {
  local tool=$1 repo=$work/$1
  [ "$tool" != tar ] || return 0
  look_up "$tool" "$repo"
  measure "$tool" restore bash -c "${tool}_ restore '$repo' '$work/target'"
  rm -rf "$work/target"
  measure "$tool" verify bash -c "${tool}_ verify '$repo'"
  measure "$tool" prune bash -c "${tool}_ prune '$repo'"
  rm -rf "$repo" "$repo".*
}

for ((round = 1; round <= rounds; round++)); do
  rm -rf "$work/tree"; cp -a "$source_tree" "$work/tree"
  # Files this young are not taken for unchanged by careful tools (a second change could leave the same times): whoever came first would pay.
  sleep 5
  in_turn first
  change "$work/tree" 50; in_turn changed
  change "$work/tree" 75; in_turn changed
  in_turn rest
done

echo "$(find "$source_tree" -mindepth 1 | wc -l) items, $(du -sb "$source_tree" | awk '{ printf "%.1f MB", $1 / 1e6 }'); worked on $(df --output=fstype "$work" | tail -n 1); $(nproc) processors; $(date -u +%F)"
awk -v tools="${tools[*]}" '
  { key = $1 " " $2; n[key]++; value[key, n[key]] = $3; if ($4 > memory[key]) memory[key] = $4; if ($4 > memory[$1 " overall"]) memory[$1 " overall"] = $4 }
  function median(key,   i, j, t, c) {
    c = n[key]; if (!c) return -1
    for (i = 1; i <= c; i++) for (j = i + 1; j <= c; j++) if (value[key, j] < value[key, i]) { t = value[key, i]; value[key, i] = value[key, j]; value[key, j] = t }
    return c % 2 ? value[key, (c + 1) / 2] : (value[key, c / 2] + value[key, c / 2 + 1]) / 2
  }
  function ratio(a, b) { return a > 0 && b > 0 ? sprintf("%.2f", a / b) : "-" }
  function cell(v, unit, scale) { return v < 0 || v == "" ? "-" : sprintf(unit, v / scale) }
  function row(label, unit, scale,   t) {
    printf "%-20s", label
    for (t = 1; t <= count; t++) printf("%13s", cell(m[tool[t]], unit, scale))
    printf "%18s%18s\n", ratio(m["restic"], m["backupctl"]), ratio(m["borg"], m["backupctl"])
  }
  END {
    split("first unchanged changed restore verify prune", steps, " "); count = split(tools, tool, " ")
    printf "%-20s", ""; for (t = 1; t <= count; t++) printf "%13s", tool[t]; printf "%18s%18s\n", "restic/backupctl", "borg/backupctl"
    for (s = 1; s <= 6; s++) { for (t = 1; t <= count; t++) m[tool[t]] = median(tool[t] " " steps[s]); row(steps[s], "%.2f s", 1) }
    for (t = 1; t <= count; t++) m[tool[t]] = median(tool[t] " size"); row("repository", "%.1f MB", 1e6)
    steps[7] = "overall"
    for (s = 1; s <= 7; s++) { for (t = 1; t <= count; t++) m[tool[t]] = memory[tool[t] " " steps[s]]; row("memory " steps[s], "%.0f MB", 1000) }
  }' "$results"
