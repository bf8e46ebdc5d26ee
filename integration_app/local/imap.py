"""A real IMAP server on this machine, for the demo and tests: Debian's Dovecot, in the foreground, on loopback.

`apt install dovecot-imapd` brings it; its service need not run.
"""

from __future__ import annotations

import imaplib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

USER = "omi@mail.example.com"
READY_SECONDS = 15.0
_CONFIG = """
base_dir = {folder}/base
state_dir = {folder}/base
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:{folder}/mail/%u
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 0
first_valid_gid = 0
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
imap_capability = {capability}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class ImapMissingError(Exception):
    """There is no Dovecot 2.3 on this machine."""


@dataclass(slots=True)
class ImapServer:
    """`settings` are those that the mailbox process reads."""

    folder: Path
    port: int
    password: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        return {
            "MAILBOX_HOST": "127.0.0.1",
            "MAILBOX_PORT": str(self.port),
            "MAILBOX_USER": USER,
            "MAILBOX_PASSWORD": self.password,
        }

    def start(self) -> None:
        command = [str(binary()), "-F", "-c", str(self.folder / "dovecot.conf")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603
        ends = time.monotonic() + READY_SECONDS
        while time.monotonic() < ends:
            with suppress(OSError, imaplib.IMAP4.error):
                self.client().logout()
                return
            time.sleep(0.05)
        self.stop()
        raise ImapMissingError(f"Dovecot does not start; its log: {self.folder / 'dovecot.log'}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def client(self) -> imaplib.IMAP4:
        made = imaplib.IMAP4("127.0.0.1", self.port, timeout=5)
        made.login(USER, self.password)
        return made

    def put(self, mail: bytes, folder: str = "INBOX") -> None:
        """As if it had been delivered."""
        client = self.client()
        client.append(folder, "", "", mail)
        client.logout()

    def number_anew(self) -> None:
        """Another UIDVALIDITY, as after a server's move."""
        self.stop()
        for path in (self.folder / "mail" / USER).rglob("dovecot*"):
            path.unlink()
        time.sleep(1.1)  # its numbering is named by the second
        self.start()


def binary() -> Path:
    """Raises `ImapMissingError`."""
    found = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not found:
        raise ImapMissingError("no IMAP server on this machine: apt install dovecot-imapd")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    if not version.startswith("2.3."):
        raise ImapMissingError(f"Dovecot 2.3 is wanted here, this is {version.split()[0] if version else 'another'}")
    return Path(found)


@contextmanager
def imap_server(capability: str = "") -> Iterator[ImapServer]:
    """Running until the end of the block. `capability`: what it says it can do, instead of all. Raises
    `ImapMissingError`.
    """
    binary()
    with tempfile.TemporaryDirectory(prefix="oi-imap-") as name, socket.socket() as probe:  # short: sockets lie in it
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        folder, password = Path(name), secrets.token_hex(8)
        me = pwd.getpwuid(os.getuid()) if os.getuid() else pwd.getpwnam("nobody")
        group = "nogroup" if not os.getuid() else str(os.getgid())
        for part in ("base", "mail"):
            (folder / part).mkdir()
        (folder / "users").write_text(f"{USER}:{password}\n")
        (folder / "dovecot.conf").write_text(
            _CONFIG.format(folder=folder, port=port, user=me.pw_name, group=group, capability=capability)
        )
        if not os.getuid():
            folder.chmod(0o755)
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, me.pw_name, group)
        server = ImapServer(folder, port, password)
        server.start()
        try:
            yield server
        finally:
            server.stop()
