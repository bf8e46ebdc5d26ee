#!/bin/sh
# One image, every process type: `web` (default) and `worker` run the Procfile's line of that name, anything else as it is.
# Settings may come as a file of NAME=value lines, mounted where SETTINGS says: they then stand in no container's description.
set -e
settings=${SETTINGS:-/run/secrets/settings}
if [ -r "$settings" ]; then
    set -a
    # shellcheck disable=SC1090
    . "$settings"
    set +a
fi
command=$(sed -n "s|^${1:-web}: *||p" "$(dirname "$0")/Procfile")
if [ -n "$command" ]; then
    set -- /bin/sh -c "exec $command"
fi
if [ "$(id -u)" = 0 ] && id inbox >/dev/null 2>&1; then
    chown inbox "${DATA_FOLDER:-/data}"
    exec setpriv --reuid=inbox --regid=inbox --clear-groups "$@"
fi
exec "$@"
