"""One session with an IMAP server: log in, select the folder, look, fetch, put away, wait.

https://www.rfc-editor.org/rfc/rfc9051 · IDLE: rfc2177 · MOVE: rfc6851 · UIDPLUS: rfc4315
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from imaplib import IMAP4
from typing import Any, TypeVar

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientError, LoginError

from integration_app.errors import InboxError

Found = TypeVar("Found")

DONE = b"$OmiInbox"
"""The keyword that a mail gets where it stays in its folder."""
_TIMEOUT = SocketTimeout(connect=10, read=60)
_HEAD_MAX = 64_000
_SLICE_SECONDS = 1.0
_WRONG = (IMAPClientError, IMAP4.error, OSError, ValueError, MemoryError)
_ODD = (TypeError, AttributeError, KeyError, IndexError, OverflowError, RecursionError)


class MailboxError(InboxError):
    """The server cannot be used now; the sentence says why."""


class NotPutAway(MailboxError):  # noqa: N818
    """The server refuses to move or mark this mail; all else works."""


class NotReadable(MailboxError):  # noqa: N818
    """What the server says of this mail cannot be understood; all else works."""


class LoginRefused(MailboxError):  # noqa: N818 - named for its meaning
    """Trying again soon would lock the account."""


@dataclass(frozen=True, slots=True)
class Account:
    """`done_folder` None: mails stay where they are, with a keyword."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    done_folder: str | None = None

    @property
    def key(self) -> str:
        """What names this folder among others."""
        return f"{self.user}@{self.host}:{self.port}/{self.folder}"

    @property
    def is_inbox(self) -> bool:
        return self.folder.upper() == "INBOX"


class Connection:
    """Raises `MailboxError` in whatever it does; then it is of no use any more."""

    def __init__(self, account: Account) -> None:
        self._account = account
        try:
            self._client = self._connected(account)
        except _WRONG as error:
            raise _told(account, error) from None
        try:
            self._log_in(account)
            self._open(account)
        except BaseException as error:
            self._drop()
            if isinstance(error, (*_WRONG, *_ODD)):
                raise _told(account, error) from None
            raise

    def _connected(self, account: Account) -> IMAPClient:
        """By TLS, with the certificate checked; in the clear on this machine alone."""
        if _is_loopback(account.host):
            made = IMAPClient(account.host, account.port, ssl=False, timeout=_TIMEOUT)
        else:
            context = ssl.create_default_context()
            made = IMAPClient(account.host, account.port, ssl=True, ssl_context=context, timeout=_TIMEOUT)
        made.normalise_times = False
        return made

    def _log_in(self, account: Account) -> None:
        try:
            self._client.login(account.user, account.password)
        except LoginError:
            raise LoginRefused(f"{account.host} refuses MAILBOX_USER or MAILBOX_PASSWORD") from None

    def _open(self, account: Account) -> None:
        known = {name for _, _, name in self._client.list_folders()}
        if account.folder not in known and not account.is_inbox:
            raise MailboxError(f"there is no folder {account.folder}: make it, or set MAILBOX_FOLDER")
        if account.done_folder and account.done_folder not in known:
            self._client.create_folder(account.done_folder)
        opened = self._client.select_folder(account.folder)
        allowed = {flag.lower() for flag in opened.get(b"PERMANENTFLAGS", ())}
        self.validity = int(opened.get(b"UIDVALIDITY", 0))
        self.next_uid = int(opened.get(b"UIDNEXT", 0)) or max(self._client.search(["ALL"]), default=0) + 1
        self._flag = DONE if b"\\*" in allowed or DONE.lower() in allowed else b"\\Seen"
        self._can_move = self._client.has_capability("MOVE")
        self._can_expunge = self._client.has_capability("UIDPLUS")
        self._can_idle = self._client.has_capability("IDLE")

    def after(self, uid: int) -> Sequence[int]:
        """The mails with higher numbers that were not put away, in order."""
        criteria: list[Any] = ["UID", f"{uid + 1}:*", "UNDELETED"]
        if self._flag == DONE:
            criteria += ["UNKEYWORD", DONE.decode()]
        # `n:*` names the last mail too where there is none behind n
        return sorted(found for found in self._ask(lambda: self._client.search(criteria)) if found > uid)

    def about(self, uid: int) -> tuple[int, datetime, bytes] | None:
        """Size in bytes, when it came into the mailbox, and its head; None where it is gone."""
        items = ["RFC822.SIZE", "INTERNALDATE", f"BODY.PEEK[HEADER]<0.{_HEAD_MAX}>"]
        row = self._fetched(uid, items)
        if row is None:
            return None
        size, came = row.get(b"RFC822.SIZE"), row.get(b"INTERNALDATE")
        head = next((value for name, value in row.items() if name.startswith(b"BODY[HEADER]")), b"")
        if not isinstance(size, int) or not isinstance(came, datetime) or not isinstance(head, bytes):
            raise NotReadable("the server does not say how large this mail is, or when it came")
        try:
            return size, (came if came.tzinfo else came.replace(tzinfo=UTC)).astimezone(UTC), head
        except (OverflowError, ValueError):
            raise NotReadable("the server says a time that is none") from None

    def raw(self, uid: int, most: int) -> bytes | None:
        """The mail, no more than `most` bytes, whatever the server said of its size; None where it is gone."""
        row = self._fetched(uid, [f"BODY.PEEK[]<0.{most}>"])
        found = next((value for name, value in (row or {}).items() if name.startswith(b"BODY[]")), None)
        if row and not isinstance(found, bytes):
            raise NotReadable("the server does not hand this mail over")
        return found

    def _fetched(self, uid: int, items: Sequence[str]) -> dict[bytes, Any] | None:
        """Raises `NotReadable` for all that may concern this mail alone."""
        try:
            found: dict[bytes, Any] | None = self._client.fetch([uid], items).get(uid)
        except (IMAP4.abort, OSError) as error:  # the session is over
            raise _told(self._account, error) from None
        except (*_WRONG, *_ODD):
            raise NotReadable("the server does not hand this mail over") from None
        return found

    def put_away(self, uid: int) -> None:
        """Into the folder for what is done; else it gets the keyword, or is marked as read where there are none. Raises
        `NotPutAway` where the server says no.
        """
        try:
            self._put_away(uid)
        except (IMAP4.abort, OSError) as error:  # the session is over
            raise _told(self._account, error) from None
        except IMAP4.error:
            raise NotPutAway("the server does not move or mark it: is there room, and may we write?") from None

    def _put_away(self, uid: int) -> None:
        folder = self._account.done_folder
        if folder is None:
            self._client.add_flags([uid], [self._flag], silent=True)
        elif self._can_move:
            self._client.move([uid], folder)
        elif self._can_expunge:  # else EXPUNGE would take other people's deleted mails along
            self._client.copy([uid], folder)
            self._client.delete_messages([uid], silent=True)
            self._client.uid_expunge([uid])
        else:
            raise NotPutAway("the server can neither MOVE nor UID EXPUNGE: leave MAILBOX_DONE_FOLDER empty")

    def wait(self, seconds: float, stop: Callable[[], bool]) -> bool:
        """Until something changes in the folder (True), time is up, or `stop`. Only where the server `tells`."""
        return self._ask(lambda: self._idled(seconds, stop))

    def _idled(self, seconds: float, stop: Callable[[], bool]) -> bool:
        ends, has_changed = time.monotonic() + seconds, False
        self._client.idle()
        while not (has_changed or stop()) and time.monotonic() < ends:
            has_changed = bool(self._client.idle_check(timeout=_SLICE_SECONDS))
        self._client.idle_done()
        return has_changed

    @property
    def tells(self) -> bool:
        """Whether the server says when something comes (IDLE)."""
        return bool(self._can_idle)

    def refresh(self) -> None:
        """Have the server look: some show what is new only then."""
        self._ask(self._client.noop)

    def close(self) -> None:
        try:
            self._client.logout()
        except _WRONG:
            self._drop()

    def _drop(self) -> None:
        with suppress(*_WRONG):
            self._client.shutdown()

    def _ask(self, what: Callable[[], Found]) -> Found:
        try:
            return what()
        except (*_WRONG, *_ODD) as error:
            raise _told(self._account, error) from None


def _told(account: Account, error: Exception) -> MailboxError:
    """Without the server's words: they may quote a mail, or the login."""
    return MailboxError(f"{account.host}:{account.port} does not do what it is asked ({type(error).__name__})")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
