#!/bin/sh
# One image, both process types: `web` (default) and `worker` run the Procfile's line of that name, anything else as it is.
set -e
cd "$(dirname "$0")"
command=$(sed -n "s/^${1:-web}: *//p" Procfile)
if [ -n "$command" ]; then
    exec /bin/sh -c "exec $command"
fi
exec "$@"
