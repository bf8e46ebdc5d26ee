"""`omi-inbox dev`: the whole stack on this machine, left running, with one screen of what to try."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from types import FrameType

import click
import requests

from integration_app.bootstrap import Services
from integration_app.cli.output import STACK_FILE, fail, local_stack
from integration_app.local.ports import free_port
from integration_app.local.show import Show
from integration_app.local.stack import Stack, StackError
from integration_app.local.valkey import EMBEDDED, REDIS_CHOICES
from integration_app.settings import LOCAL_OPERATOR_PASSWORD as OPERATOR_PASSWORD

UID, PHONE = "demo-user", "+15550001111"
SHOW_PORT = 8200

redis_option = click.option(
    "--redis",
    type=click.Choice(REDIS_CHOICES),
    default=EMBEDDED,
    show_default=True,
    help="An embedded Valkey, a valkey-server or redis-server on PATH, or the one at REDIS_URL.",
)


@click.command()
@redis_option
@click.option("--quiet", "quiet_seconds", default=5.0, show_default=True, help="Quiet windows of this stack.")
@click.option("--boost", default=1.0, show_default=True, help="Multiplies the sandbox's rate limits.")
def dev(redis: str, quiet_seconds: float, boost: float) -> None:
    """Run everything here: Valkey, the Omi sandbox, web and workers. Ctrl-C stops all of it."""
    running = local_stack()
    if running and _is_alive(running["pids"]["dev"]):
        fail(f"already running here (process {running['pids']['dev']}); see {STACK_FILE}")
    folder = Path(".dev") / "run"
    shutil.rmtree(folder, ignore_errors=True)
    settings = dict.fromkeys(("SMS_QUIET_SECONDS", "MEMORY_QUIET_SECONDS", "MAIL_QUIET_SECONDS"), f"{quiet_seconds:g}")
    # SIGINT too: a shell that starts us in the background has it ignored
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    click.echo("starting Valkey, the Omi sandbox, web and worker …", err=True)
    try:
        with Stack(folder, settings=settings, redis=redis, default_ports=True, boost=boost) as stack:
            services, address = _first_user(stack)
            show = Show(stack, services, UID, PHONE, free_port(SHOW_PORT))
            show.start()
            stack.write_description(STACK_FILE)
            click.echo(_screen(stack, show.url, address, quiet_seconds))
            _watch(stack)
    except StackError as error:
        STACK_FILE.unlink(missing_ok=True)
        fail(str(error))
    except (KeyboardInterrupt, SystemExit):
        click.echo("\nstopped", err=True)
    STACK_FILE.unlink(missing_ok=True)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _first_user(stack: Stack) -> tuple[Services, str]:
    """A user who has enabled the app, with a phone and an inbox address, so that samples arrive somewhere."""
    from integration_app import bootstrap

    requests.post(f"{stack.sandbox_url}/_sandbox/users/{UID}/enable", timeout=5).raise_for_status()
    stack.export()
    services = bootstrap.build()
    installation = services.installations.add(UID, now=services.clock())
    services.installations.link_phone(UID, PHONE)
    return services, services.settings.inbox_address(installation.inbox_token) or ""


def _screen(stack: Stack, show_url: str, address: str, quiet_seconds: float) -> str:
    from integration_app.cli.samples import names

    samples = names()
    a_text = next((name for name in samples if name.endswith("-sms")), samples[0])

    def title(words: str) -> str:
        return click.style(words, bold=True)

    return f"""
{title("Omi Inbox is running")}

  {title("everything at work")}        {title(show_url)}
                            text and mail as {UID}, and watch the road into Omi

  a user's page             {stack.web_url}/setup?uid={UID}
                            (the code that Omi sends is shown in the sandbox)
  the operator's pages      {stack.web_url}/operator   password {title(OPERATOR_PASSWORD)}
  what has arrived in Omi   {stack.sandbox_url}/
  webhooks                  {stack.web_url}/webhooks/<provider>
  ready?                    {stack.web_url}/readyz
  Redis                     {stack.env["REDIS_URL"]}
  settings, credentials     {STACK_FILE}
  logs                      {stack.folder}/*.log

  the user {title(UID)} has enabled the app, owns the phone {title(PHONE)}
  and the private inbox address {title(address)}

{title("Try, in another terminal")} (with .venv/bin on PATH)

  omi-inbox send-sample {a_text}     a text; in Omi {quiet_seconds:g} s after the last one
  omi-inbox send-sample                lists the samples: {", ".join(samples)}
  omi-inbox messages                   what arrived and where it stands
  omi-inbox messages show ID           the whole story of one message
  curl {stack.sandbox_url}/_sandbox/faults -H 'Content-Type: application/json' -d '{{"fault": "429", "retry_after": 5}}'
                                       have Omi refuse the next call (docs/sandbox.md)
  omi-inbox doctor                     would this deployment lose messages?

Ctrl-C stops everything.
"""


def _watch(stack: Stack) -> None:
    while True:
        for name, process in stack.processes.items():
            if process.poll() is not None:
                raise StackError(f"{name} ended (exit code {process.returncode}); its log: {stack.log_file(name)}")
        time.sleep(0.5)
