#!/bin/sh
# Rehost hook: MySQL and MariaDB.
# rehost-grade: application
#
# pre-freeze  a session takes the lock that backups take, and keeps it: BACKUP STAGE BLOCK_COMMIT in
#             MariaDB 10.4 and later, FLUSH TABLES WITH READ LOCK elsewhere. Changes wait, reads go on.
# post-thaw   the session ends, and with it the lock.
#
# The session ends by itself after REHOST_HOLD_SECONDS, and with its client, whoever dies.
# The binary log and all tables, MyISAM's as well, are of one moment on the target; InnoDB replays
# its log when it is started, as after any copy.
#
# Settings, in the file beside this one whose name ends in .conf:
#   MYSQL_CLIENT             mariadb or mysql; found by itself
#   MYSQL_OPTIONS            options of the client, such as --socket=/run/mysqld/second.sock; keep
#                            passwords in /root/.my.cnf, not here. Default: log in as root by socket.
#   MYSQL_LOCK_WAIT_SECONDS  how long to wait for running statements (20). After that there is no
#                            cut-over.
set -eu

MYSQL_CLIENT=
MYSQL_OPTIONS=
MYSQL_LOCK_WAIT_SECONDS=20
settings=$0.conf
if [ -r "$settings" ]; then
    . "$settings"
fi
: "${REHOST_HOOK_MEMORY:?}" "${REHOST_HOLD_SECONDS:?}"
memory=$REHOST_HOOK_MEMORY/$(basename "$0")

# Takes the place of the shell that calls it: a subshell, always.
client() {
    if [ -z "$MYSQL_CLIENT" ]; then
        MYSQL_CLIENT=$(command -v mariadb || command -v mysql) || {
            echo "neither mariadb nor mysql is installed" >&2
            exit 1
        }
    fi
    # Options are several words on purpose.
    # shellcheck disable=SC2086
    exec "$MYSQL_CLIENT" $MYSQL_OPTIONS --batch --skip-column-names --unbuffered "$@"
}

# What the session says to take the lock, by the version of the server.
statements() {
    printf 'SET SESSION lock_wait_timeout = %d;\n' "$MYSQL_LOCK_WAIT_SECONDS"
    case $1 in
    5.*MariaDB* | 10.[0-3].*MariaDB*) echo 'FLUSH TABLES WITH READ LOCK;' ;;
    *MariaDB*)
        for stage in START FLUSH BLOCK_DDL BLOCK_COMMIT; do
            echo "BACKUP STAGE $stage;"
        done
        ;;
    *) echo 'FLUSH TABLES WITH READ LOCK;' ;;
    esac
    echo "SELECT 'rehost holds the lock';"
}

# Whether there is such a process that has not ended, waited for or not.
is_running() {
    [ -n "$1" ] && grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$1/status"
}

remembered() {
    cat "$memory/$1" 2>/dev/null || true
}

# Ends the session. Fails if it was not there any more: then the lock was lost before its time.
release() {
    holder=$(remembered holder)
    session=$(remembered session)
    held=
    # A number may belong to somebody else by now.
    if [ -n "$holder" ] && [ "$(cat "/proc/$holder/comm" 2>/dev/null)" = sleep ]; then
        if is_running "$session"; then
            held=yes
        fi
        kill "$holder" 2>/dev/null || true
    fi
    tries=0
    while is_running "$session" && [ "$tries" -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    rm -rf "$memory"
    [ -n "$held" ]
}

case ${1:-} in
pre-freeze)
    release || true
    mkdir -p "$memory"
    version=$(client --execute='SELECT VERSION()')
    statements "$version" >"$memory/statements"
    # The client reads statements from a pipe that stays open for as long as the lock is to be held.
    # shellcheck disable=SC2016
    sh -c 'echo $$ >"$1/holder"; cat "$1/statements"; exec sleep "$2"' \
        holder "$memory" "$REHOST_HOLD_SECONDS" </dev/null 2>/dev/null |
        client >"$memory/said" 2>&1 &
    echo $! >"$memory/session"
    while ! grep -qs 'rehost holds the lock' "$memory/said"; do
        if ! is_running "$(remembered session)"; then
            cat "$memory/said" >&2
            release || true
            exit 1
        fi
        sleep 0.1
    done
    echo "$version holds still"
    ;;
post-thaw)
    if [ -d "$memory" ] && ! release; then
        echo "the lock was lost before the thaw" >&2
        exit 1
    fi
    ;;
*)
    echo "usage: $0 pre-freeze | post-thaw" >&2
    exit 2
    ;;
esac
