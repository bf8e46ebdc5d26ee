"""`alive`: the health check of one container. Says nothing about Omi, whose outage is no reason to restart anything."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

import click
import requests

from integration_app.cli.output import fail, json_option, say, services, use_local_stack


@click.command()
@click.argument("process", type=click.Choice(["web", "worker"]))
@json_option
def alive(process: str) -> None:
    """Exit 0 when the web or the worker process on this host is alive."""
    use_local_stack()
    if process == "web":
        port = os.environ.get("PORT") or "8000"
        try:
            requests.get(f"http://127.0.0.1:{port}/livez", timeout=5).raise_for_status()
        except requests.RequestException as error:
            fail(f"web does not answer ({type(error).__name__})")
        say("web answers", alive=process)
        return
    with services() as found:
        if not found.health.workers(since=found.clock() - timedelta(minutes=1), host=socket.gethostname()):
            fail("no worker of this host was seen in the last minute")
    say("a worker of this host was seen in the last minute", alive=process)
