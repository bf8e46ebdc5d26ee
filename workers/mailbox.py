"""The mailbox process: `python -m workers.mailbox`. One of it is enough; a second one doubles nothing.

Without MAILBOX_HOST it waits to be stopped, so that a Procfile may name it.
"""

from __future__ import annotations

import random
import sys
import threading

import click
from redis.exceptions import RedisError

from integration_app import __version__, bootstrap, logs, reporting
from integration_app.bootstrap import Services
from integration_app.errors import SettingsError, StoreUnfit
from integration_app.mailbox.connection import Connection, LoginRefused, MailboxError
from integration_app.mailbox.reader import MailboxReader
from workers import stopping

log = logs.get(__name__)

IDLE_SECONDS = 240.0
"""How long one IDLE lasts: servers and routers on the way forget longer ones."""
POLL_SECONDS = 60.0
"""Where a server cannot say that something came."""
PAUSES = (5.0, 15.0, 60.0, 300.0)
REFUSED_SECONDS = 600.0


class Mailbox:
    def __init__(self, services: Services, reader: MailboxReader, stop: threading.Event) -> None:
        self._services = services
        self._reader = reader
        self._stop = stop
        self._failed = 0
        """Sessions in a row in which nothing could be read: many servers end a session by themselves now and then."""

    def run(self) -> None:
        """Until `stop`. A server that is away is waited for, and told."""
        while not self._stop.is_set():
            refused = False
            try:
                self._session()
                continue
            except LoginRefused as error:
                refused, why = True, str(error)
            except (MailboxError, StoreUnfit) as error:
                why = str(error)
            except (RedisError, OSError) as error:
                why = f"Redis is away ({type(error).__name__})"
            except Exception as error:  # noqa: BLE001 - whatever it is, mail is read again
                why = f"a crash of ours: {logs.crash('mailbox', error)}"
            pause = REFUSED_SECONDS if refused else PAUSES[min(self._failed, len(PAUSES) - 1)]
            self._failed += 1
            log.warning("the mailbox cannot be read now", why=why, seconds=pause)
            if self._failed > 1 or refused:
                self._tell(f"the mailbox cannot be read: {why}")
            self._stop.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads, hides nothing

    def _session(self) -> None:
        account = bootstrap.account_of(self._services.settings)
        assert account is not None  # noqa: S101 - asked before
        box = Connection(account)
        log.info("mailbox open", host=account.host, tells=box.tells)
        try:
            while not self._stop.is_set():
                if taken := self._reader.step(box, stop=self._stop.is_set):
                    log.info("mails taken in", count=taken)
                self._failed = 0
                self._wait(box)
        finally:
            box.close()

    def _wait(self, box: Connection) -> None:
        """Until something comes, or for a while."""
        if box.tells:
            box.wait(IDLE_SECONDS, self._stop.is_set)
        else:
            self._stop.wait(POLL_SECONDS)
            box.refresh()

    def _tell(self, cause: str) -> None:
        try:
            self._services.health.alarm(cause, now=self._services.clock())
        except (RedisError, OSError):
            log.warning("not told", reason=cause)


@click.command()
def main() -> None:
    """Read the mailbox of MAILBOX_HOST, and hand over what comes."""
    try:
        services = bootstrap.build()
    except SettingsError as error:
        click.echo(bootstrap.with_cure(error), err=True)
        sys.exit(2)
    logs.configure(services.settings.log_format, services.settings.log_level)
    reporting.configure(services.settings.sentry_dsn, __version__)
    stop = threading.Event()
    stopping.at_signals(stop)
    if services.mailbox is None:
        log.info("MAILBOX_HOST is not set: there is nothing to do")
        while not stop.wait(3600):
            pass
        return
    Mailbox(services, services.mailbox, stop).run()
    log.info("stopped")


if __name__ == "__main__":
    main()
