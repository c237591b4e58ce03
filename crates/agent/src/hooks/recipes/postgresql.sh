#!/bin/sh
# Rehost hook: PostgreSQL.
#
# pre-freeze  a checkpoint in every running cluster. The copy of a cluster is always whole, because all
#             file systems are frozen at one moment: when it is started it replays its log from the
#             last checkpoint. This makes that the shortest replay there can be. Nobody waits for it.
# post-thaw   nothing.
#
# A cluster whose tablespaces or log lie on disks that are not migrated is not whole on the target,
# hook or not.
#
# Settings, in the file beside this one whose name ends in .conf:
#   POSTGRESQL_CONNECTIONS  libpq connection strings, one a line. Without it: every running cluster
#                           that Debian's pg_lsclusters lists, else the server on the usual socket.
#   POSTGRESQL_USER         who connects: a superuser, or a member of pg_checkpoint (PostgreSQL 15).
set -eu

POSTGRESQL_USER=postgres
POSTGRESQL_CONNECTIONS=
settings=$0.conf
if [ -r "$settings" ]; then
    . "$settings"
fi

connections() {
    if [ -n "$POSTGRESQL_CONNECTIONS" ]; then
        printf '%s\n' "$POSTGRESQL_CONNECTIONS"
    elif command -v pg_lsclusters >/dev/null; then
        # Of a cluster: version, name, port, state, owner, directories.
        pg_lsclusters --no-header | while read -r _ _ port state _; do
            case $state in
            online*) printf 'port=%s dbname=postgres\n' "$port" ;;
            esac
        done
    else
        printf 'dbname=postgres\n'
    fi
}

checkpoint() {
    runuser -u "$POSTGRESQL_USER" -- psql --no-psqlrc --no-password --quiet \
        --set=ON_ERROR_STOP=1 --dbname="$1" --command=CHECKPOINT </dev/null
}

case ${1:-} in
pre-freeze)
    # A server that cannot be asked is one that nobody can vouch for: then there is no cut-over.
    connections | {
        while read -r connection; do
            [ -n "$connection" ] || continue
            checkpoint "$connection"
            echo "checkpoint in $connection"
        done
    }
    ;;
post-thaw) ;;
*)
    echo "usage: $0 pre-freeze | post-thaw" >&2
    exit 2
    ;;
esac
