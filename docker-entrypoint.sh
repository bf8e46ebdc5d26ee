#!/bin/sh
# One image, every process type: `web` (default) and `worker` run the Procfile's line of that name, anything else as it is.
# Settings may come as a file of NAME=value lines, mounted where SETTINGS says: they then stand in no container's description.
set -e
command=$(sed -n "s|^${1:-web}: *||p" "$(dirname "$0")/Procfile")
if [ -n "$command" ]; then
    set -- /bin/sh -c "exec $command"
fi
# as root on a volume that belongs to root: take it over, then drop root; where that may not be, root may do nothing anyway
if [ "$(id -u)" = 0 ] && id inbox >/dev/null 2>&1 && chown inbox "${DATA_FOLDER:-/data}" 2>/dev/null; then
    set -- setpriv --reuid=inbox --regid=inbox --clear-groups "$@"
fi
settings=${SETTINGS:-/run/secrets/settings}
if [ -r "$settings" ]; then # read by whoever we are now
    set -- python -P -m integration_app.local.with_settings "$settings" "$@"
fi
exec "$@"
