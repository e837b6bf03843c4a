#!/bin/sh
# Rebuilds a bundle and keeps a log of each night: for cron, a systemd timer, or a container.
#
#   nightly.sh CONFIG [OPTION...]     options go to `semcache rebuild`
#
# SEMCACHE    the program (default: semcache)
# LOG_DIR     folder of logs (default: logs/ beside CONFIG)
# KEEP_LOGS   how many logs stay (default: 30)
# ON_FAILURE  a command that is run with the path of the log and the exit code where a night fails: 4 where the new
#             version was refused, 1 for any other error
#
# The exit code is the program's.
set -u

config=${1:?"usage: nightly.sh CONFIG [OPTION...]"}
name=$(basename "$config" .toml)
logs=${LOG_DIR:-$(dirname "$config")/logs}
log=$logs/$name-$(date -u +%Y%m%dT%H%M%SZ)-$$.log

failed() {
    if [ -n "${ON_FAILURE:-}" ]; then
        # shellcheck disable=SC2086  # a command with its words
        $ON_FAILURE "$log" "$1"
    fi
    exit "$1"
}

mkdir -p "$logs" || failed 1
find "$logs" -name "$name-[0-9]*T[0-9]*Z-*.log" | sort -r | tail -n "+${KEEP_LOGS:-30}" | while IFS= read -r old; do
    rm -f -- "$old"
done

# shellcheck disable=SC2086  # SEMCACHE may hold words: "python -m semcache"
nice -n 10 ${SEMCACHE:-semcache} rebuild "$@" >"$log" 2>&1
code=$?
cat "$log"
[ "$code" -eq 0 ] || failed "$code"
