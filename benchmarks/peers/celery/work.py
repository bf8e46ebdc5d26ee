"""Celery: the gevent pool, acknowledged late, as its documentation recommends for work that waits for the network."""

import os

from celery import Celery

app = Celery("work", broker=os.environ["REDIS_URL"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, task_ignore_result=True)


@app.task
def deliver(number: int) -> None:
    from posting import post

    post(number)


def fill(count: int) -> None:
    for number in range(count):
        deliver.delay(number)
