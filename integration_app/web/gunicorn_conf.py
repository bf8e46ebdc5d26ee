"""gunicorn's settings, the same in development, in the Procfile and in the image.

gevent, because a slow caller then costs next to nothing: five hundred that drip their heads hold up nobody, and each
head has `keepalive` seconds in all. With threads (`WEB_WORKER_CLASS=gthread`) twelve close the door. A worker for each
core, four at the most.
"""

import gc
import os
import subprocess
import sys
from typing import Any

from integration_app.web import watching  # noqa: F401 - its lock is opened in the master
from integration_app.web.draining import when_ready  # noqa: F401 - gunicorn looks for it here

bind = f"{os.environ.get('WEB_HOST') or '0.0.0.0'}:{os.environ.get('PORT') or 8000}"  # noqa: S104 - a container's port
cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
workers = int(os.environ.get("WEB_CONCURRENCY") or min(cores, 4))  # a container sees all cores of its host
threads = int(os.environ.get("WEB_THREADS") or 8)
worker_class = os.environ.get("WEB_WORKER_CLASS") or "gevent"
worker_connections = 2000
timeout = 60
graceful_timeout = 20  # what is in flight when it stops
keepalive = 5
forwarded_allow_ips = ""  # else a proxy on this host that passes SCRIPT_NAME on would move paths past its own rules
forwarder_headers = ""
accesslog = None  # paths carry uids later on; the app logs what matters
loglevel = "error"  # its warnings repeat what a caller sent
control_socket_disable = True
_USAGE = 2


def post_worker_init(worker: Any) -> None:
    """What has been imported stays: the collector need not go through it, which stops everything for 60 ms."""
    gc.collect()
    gc.freeze()


def worker_exit(server: Any, worker: Any) -> None:
    """What is still to be told leaves with the process."""
    from integration_app import reporting, tracing

    tracing.flush()
    reporting.flush()


def on_starting(server: Any) -> None:
    """Mistakes of the settings are told once, before there are workers. In a process of its own: reading them imports
    what gevent is to patch in the workers.
    """
    code = "from integration_app.bootstrap import check_settings; check_settings()"
    if subprocess.run([sys.executable, "-c", code], check=False).returncode == _USAGE:  # noqa: S603 - our own words
        sys.exit(_USAGE)
