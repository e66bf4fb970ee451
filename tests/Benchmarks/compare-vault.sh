#!/usr/bin/env bash
# Side by side on one tree: restic (repository version 2), BorgBackup (repokey-blake2, zstd,3) and backupctl, alternating; medians and ratios.
# usage: compare-vault.sh DIR [ROUNDS]   (ROUNDS: 3)
# Installs nothing: a tool that is missing is left out. Needs about four times the size of DIR under TMPDIR, and GNU time.
set -euo pipefail
usage() { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
[ $# -ge 1 ] && [ -d "$1" ] || usage
source_tree=$(cd "$1" && pwd)
rounds=${2:-3}
root=$(cd "$(dirname "$0")/../.." && pwd)
ctl=${BACKUPCTL:-$root/out/backupctl}
if [ ! -x "$ctl" ]; then dotnet publish "$root/src/Cli" -c Release -o "$root/out" -v quiet; fi
command -v /usr/bin/time >/dev/null || { echo "GNU time (/usr/bin/time) is needed to measure memory." >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results=$work/results
: > "$results"
export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$work/restic-cache BORG_PASSPHRASE=bench BORG_BASE_DIR=$work/borg-base BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
export XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state

tools=()
command -v restic >/dev/null && tools+=(restic)
command -v borg >/dev/null && tools+=(borg)
tools+=(backupctl)

# measure TOOL STEP COMMAND...: appends "tool step seconds kilobytes"
measure() {
  local tool=$1 step=$2; shift 2
  if ! /usr/bin/time -f '%e %M' -o "$work/time" "$@" > "$work/log" 2>&1; then
    echo "$tool $step failed: $*" >&2; tail -n 20 "$work/log" >&2; exit 1
  fi
  echo "$tool $step $(tail -n 1 "$work/time")" >> "$results"
}
size() { echo "$1 size $(du -sb "$2" | cut -f 1) 0" >> "$results"; }

restic_() { case $1 in
  init) restic init -q --repository-version 2 -r "$2" ;;
  backup) restic backup -q -r "$2" "$3" ;;
  restore) restic restore -q -r "$2" latest --target "$3" ;;
  verify) restic check -q --read-data -r "$2" ;;
  prune) restic forget -q --prune -r "$2" $(restic snapshots --json -r "$2" | grep -oE '"short_id": ?"[0-9a-f]+"' | head -n 1 | grep -oE '[0-9a-f]{8}') ;;
esac; }
borg_() { case $1 in
  init) borg init -e repokey-blake2 "$2" ;;
  backup) borg create -C zstd,3 "$2::$(date +%s%N)" "$3" ;;
  restore) mkdir -p "$3" && cd "$3" && borg extract "$2::$(borg list --last 1 --format '{archive}' "$2")" ;;
  verify) borg check --verify-data "$2" ;;
  prune) borg delete "$2::$(borg list --first 1 --format '{archive}' "$2")" && borg compact "$2" ;;
esac; }
backupctl_() { case $1 in
  init) "$ctl" vault init --vault "$2" --restore-key-file "$2.key" --backup-key-file "$2.backup.key" ;;
  backup) "$ctl" backup "$3" --vault "$2" --key-file "$2.key" --asset bench ;;
  restore) "$ctl" restore --vault "$2" --key-file "$2.key" --snapshot latest --asset bench --target "$3" ;;
  verify) "$ctl" vault verify --vault "$2" --key-file "$2.key" --depth data ;;
  prune) "$ctl" vault prune --vault "$2" --key-file "$2.key" --drop "$("$ctl" snapshots --json --vault "$2" --key-file "$2.key" | grep -oE '"id": ?"[0-9a-f]+"' | head -n 1 | grep -oE '[0-9a-f]{64}')" --grace-days 0 --no-writer-is-running ;;
esac; }
export -f restic_ borg_ backupctl_
export ctl

# 1 % of the files get a line more; the largest file gets 1 % of its 4 KiB blocks rewritten.
change() {
  find "$1" -type f -size +0 | sort | awk 'NR % 100 == 0' | while IFS= read -r f; do echo changed >> "$f"; done
  local large blocks
  large=$(find "$1" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  blocks=$(( $(stat -c %s "$large") / 4096 ))
  for ((i = 50; i < blocks; i += 100)); do printf 'changed' | dd of="$large" bs=4096 seek="$i" conv=notrunc status=none; done
}

for ((round = 1; round <= rounds; round++)); do
  rm -rf "$work/tree"; cp -a "$source_tree" "$work/tree"
  for tool in "${tools[@]}"; do
    repo=$work/$tool; rm -rf "$repo"* "$RESTIC_CACHE_DIR" "$BORG_BASE_DIR" "$XDG_CACHE_HOME" "$XDG_STATE_HOME"
    "${tool}_" init "$repo" >/dev/null
    measure "$tool" first bash -c "${tool}_ backup '$repo' '$work/tree'"
    size "$tool" "$repo"
    measure "$tool" unchanged bash -c "${tool}_ backup '$repo' '$work/tree'"
  done
  change "$work/tree"
  for tool in "${tools[@]}"; do
    repo=$work/$tool
    measure "$tool" changed bash -c "${tool}_ backup '$repo' '$work/tree'"
    rm -rf "$work/target"; measure "$tool" restore bash -c "${tool}_ restore '$repo' '$work/target'"; rm -rf "$work/target"
    measure "$tool" verify bash -c "${tool}_ verify '$repo'"
    measure "$tool" prune bash -c "${tool}_ prune '$repo'"
    rm -rf "$repo"*
  done
done
if command -v zstd >/dev/null; then
  for ((round = 1; round <= rounds; round++)); do measure tar first bash -c "tar -C '$source_tree' -cf - . | zstd -q -3 -T2 > '$work/tar.zst'"; size tar "$work/tar.zst"; done
fi

awk -v tools="${tools[*]} tar" '
  { key = $1 " " $2; n[key]++; value[key, n[key]] = $3; if ($4 > memory[$1]) memory[$1] = $4 }
  function median(key,   i, j, t, c) {
    c = n[key]; if (!c) return -1
    for (i = 1; i <= c; i++) for (j = i + 1; j <= c; j++) if (value[key, j] < value[key, i]) { t = value[key, i]; value[key, i] = value[key, j]; value[key, j] = t }
    return value[key, int((c + 1) / 2)]
  }
  function cell(v, unit) { return v < 0 ? "–" : sprintf(unit, v) }
  function ratio(a, b) { if (a > 0 && b > 0) return sprintf("%.2f", a / b); return "–" }
  END {
    split("first unchanged changed restore verify prune size", steps, " "); count = split(tools, tool, " ")
    printf "%-12s", "median"; for (t = 1; t <= count; t++) printf "%14s", tool[t]; printf "%18s%18s\n", "restic/backupctl", "borg/backupctl"
    for (s = 1; s <= 7; s++) {
      printf "%-12s", steps[s]
      for (t = 1; t <= count; t++) {
        v = m[tool[t]] = median(tool[t] " " steps[s])
        text = steps[s] == "size" ? cell((v < 0 ? -1 : v / 1e6), "%.1f MB") : cell(v, "%.2f s")
        printf("%14s", text)
      }
      printf("%18s%18s\n", ratio(m["restic"], m["backupctl"]), ratio(m["borg"], m["backupctl"]))
    }
    printf "%-12s", "peak memory"; for (t = 1; t <= count; t++) printf("%14s", (memory[tool[t]] ? sprintf("%.0f MB", memory[tool[t]] / 1000) : "–")); printf "\n"
  }' "$results"
