"""gunicorn's settings, the same in development, in the Procfile and in the image.

Threads, because a slow caller then costs a thread and not a process. One worker per core.
"""

import multiprocessing
import os

bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
workers = int(os.environ.get("WEB_CONCURRENCY") or multiprocessing.cpu_count())
threads = int(os.environ.get("WEB_THREADS") or 8)
worker_class = "gthread"
timeout = 60
graceful_timeout = 20
keepalive = 5
accesslog = None  # paths carry uids later on; the app logs what matters
loglevel = "warning"
control_socket_disable = True
