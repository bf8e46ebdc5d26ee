"""The whole stack on this machine, as real processes: Valkey, the Omi sandbox, and the Procfile's web and worker.

The same commands as in production, with settings made up for this run. Stopped in reverse order, each by its id.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import requests
from redis.exceptions import RedisError
from werkzeug.security import generate_password_hash

import integration_app
from integration_app.local import valkey
from integration_app.local.imap import ImapMissingError, ImapServer, imap_server
from integration_app.local.ports import free_port
from integration_app.local.valkey import EMBEDDED, FROM_ENVIRONMENT
from integration_app.providers import registry
from integration_app.settings import LOCAL_OPERATOR_PASSWORD
from integration_app.settings import names as settings_names
from integration_app.store.connections import connect
from integration_app.store.identity import Identity

ROOT = Path(integration_app.__file__).resolve().parent.parent
PROCESSES = {
    "web": 'gunicorn --config python:integration_app.web.gunicorn_conf "integration_app.web.app:create_app()"',
    "worker": "python -m workers --slots ${WORKER_SLOTS:-64}",
}
MAILBOX = {"mailbox": "python -m workers.mailbox"}
"""The lines of the Procfile, which an installed wheel does not have; a test holds them equal. The last one runs only
where a mailbox is read.
"""
READY_SECONDS, STOP_SECONDS = 30.0, 20.0


class StackError(Exception):
    """Something did not start; the sentence says what, and where its log is."""


class Stack:
    """`with Stack(folder) as stack:` runs everything; logs and data lie in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        redis: str = EMBEDDED,
        default_ports: bool = False,
        boost: float = 1.0,
        server: str | None = None,
        with_mailbox: bool = False,
    ) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._redis = redis
        self._server = server  # another server binary, for tests with other versions
        ports = iter((8000, 8100, 6390)) if default_ports else iter((0, 0, 0))
        self.web_url = f"http://127.0.0.1:{free_port(next(ports))}"
        self.sandbox_url = f"http://127.0.0.1:{free_port(next(ports))}"
        self._redis_port = free_port(next(ports))
        self.vendors_url = f"http://127.0.0.1:{free_port(8300 if default_ports else 0)}"
        self._boost = boost
        self._known = known_names()
        self._ends = ExitStack()
        self.mailbox: ImapServer | None = None
        self.without_mailbox = ""
        """Why there is none, where one was wanted."""
        if with_mailbox:
            try:
                self.mailbox = self._ends.enter_context(imap_server())
            except ImapMissingError as error:
                self.without_mailbox = str(error)
        self.env = self._environment() | (self.mailbox.settings if self.mailbox else {}) | dict(settings or {})

    def _environment(self) -> dict[str, str]:
        env = {
            "OMI_BASE_URL": self.sandbox_url,
            "OMI_APP_ID": "omi_inbox_local",
            "OMI_API_KEY": f"sk_{secrets.token_hex(16)}",
            "REDIS_URL": self._redis_url(),
            "PUBLIC_BASE_URL": self.web_url,
            "INBOX_DOMAIN": "in.example.com",
            "OPERATOR_PASSWORD_HASH": generate_password_hash(LOCAL_OPERATOR_PASSWORD, method="pbkdf2:sha256:1000"),
            "OPERATOR_API_TOKEN": secrets.token_hex(24),
            "INBOX_PHONE": "+15550009999",
            "LOGIN_CODES_PER_HOUR": "100",  # everybody here calls from one address
            "SECRET_KEY": secrets.token_hex(24),
            "DATA_KEYS": secrets.token_hex(32),
            "LOG_FORMAT": "text",
            "WEB_HOST": "127.0.0.1",
            "PORT": self.web_url.rpartition(":")[2],
            "WEB_CONCURRENCY": "1",
        }
        for name, spec in registry.specs().items():
            env |= spec.local_env()
            if spec.local_api_setting:
                env[spec.local_api_setting] = f"{self.vendors_url}/{name}"
        return env

    def _redis_url(self) -> str:
        if self._redis != FROM_ENVIRONMENT:
            return f"redis://127.0.0.1:{self._redis_port}/0"
        if not os.environ.get("REDIS_URL"):
            raise StackError("--redis env needs REDIS_URL")
        return os.environ["REDIS_URL"]

    # --- running --------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.start_all()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_all(self) -> None:
        self.start_redis()
        self.start_sandbox()
        self.start_vendors()
        for name in PROCESSES | (MAILBOX if self.env.get("MAILBOX_HOST") else {}):
            self.start(name)
        self._wait("web", lambda: requests.get(f"{self.web_url}/livez", timeout=2).ok)
        self._wait("worker", lambda: requests.get(f"{self.web_url}/readyz", timeout=5).json()["workers"] > 0)
        self._register()

    def start_redis(self) -> None:
        if self._redis != FROM_ENVIRONMENT:
            data = self.folder / "valkey"
            data.mkdir(parents=True, exist_ok=True)
            options = valkey.durable(data) | {"port": str(self._redis_port), "bind": "127.0.0.1"}
            try:
                binary = self._server or valkey.server_path(self._redis)
            except valkey.ServerMissingError as error:
                raise StackError(str(error)) from None
            self._spawn("valkey", valkey.command(binary, options))
        self._wait("valkey", self._redis_answers)

    def start_sandbox(self) -> None:
        port = self.sandbox_url.rpartition(":")[2]
        secret = {"SANDBOX_APP_ID": self.env["OMI_APP_ID"], "SANDBOX_API_KEY": self.env["OMI_API_KEY"]}
        command = [sys.executable, "-m", "integration_app.sandbox", "--port", port, "--boost", str(self._boost)]
        self._spawn("sandbox", command, secret)
        self._wait("sandbox", lambda: requests.get(f"{self.sandbox_url}/_sandbox/users", timeout=2).ok)
        self.env["OMI_WEBHOOK_SECRETS"] = self._app("POST", "/webhook-secret")["secret"]

    def start_vendors(self) -> None:
        """What providers fetch from their vendors, played here."""
        port = self.vendors_url.rpartition(":")[2]
        self._spawn("vendors", [sys.executable, "-m", "integration_app.local.vendor_apis", "--port", port])
        self._wait("vendors", lambda: requests.get(self.vendors_url, timeout=2).status_code == 404)

    def _register(self) -> None:
        """Tell the sandbox where our pages and doors are, as one fills in the form in Omi."""
        urls = {
            "auth_url": f"{self.web_url}/setup",
            "home_url": self.web_url,
            "setup_completed_url": f"{self.web_url}/setup/completed",
            "chat_tools_manifest_url": f"{self.web_url}/.well-known/omi-tools.json",
            "webhook_url": f"{self.web_url}/webhooks/omi",
        }
        self._app("PATCH", "", urls)

    def _app(self, method: str, path: str, json: Any = None) -> dict[str, Any]:
        url = f"{self.sandbox_url}/_sandbox/apps/{self.env['OMI_APP_ID']}{path}"
        answer = requests.request(method, url, json=json, timeout=10)
        answer.raise_for_status()
        said: dict[str, Any] = answer.json()
        return said

    def start(self, name: str) -> None:
        """Start a process of the Procfile."""
        command = (PROCESSES | MAILBOX)[name]
        self._spawn(name, ["/bin/sh", "-c", f"exec {command}"], self.env)

    def kill(self, name: str) -> None:
        """SIGKILL, as a power cut does it."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """SIGTERM to each, last started first; SIGKILL to what does not end in time."""
        for name in reversed(list(self.processes)):
            self.stop_one(name)
        self._ends.close()

    def stop_one(self, name: str) -> int:
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait()

    # --- telling --------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """What a tool needs to talk to this stack; `env` are the settings themselves."""
        specs = registry.specs()
        return {
            "web_url": self.web_url,
            "public_base_url": self.env["PUBLIC_BASE_URL"],
            "sandbox_url": self.sandbox_url,
            "redis_url": self.env["REDIS_URL"],
            "inbox_domain": self.env["INBOX_DOMAIN"],
            "omi": {"app_id": self.env["OMI_APP_ID"], "api_key": self.env["OMI_API_KEY"]},
            "providers": {name: spec.credentials(self.env) for name, spec in specs.items() if spec.sender},
            "pids": {"dev": os.getpid()} | {name: process.pid for name, process in self.processes.items()},
            "env": self.env,
        }

    def export(self) -> None:
        """Make this stack's settings those of this process."""
        for name in [name for name in os.environ if name.removesuffix("_FILE") in self._known]:
            del os.environ[name]
        os.environ.update(self.env)

    def write_description(self, path: Path) -> None:
        """Readable by its owner only: it holds the secrets of this run."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.describe(), indent=2) + "\n", encoding="utf-8")

    def log_file(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    # --- helpers --------------------------------------------------------------------------------------------

    def _spawn(self, name: str, command: list[str], env: Mapping[str, str] | None = None) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        # settings of the caller must not reach a stack that has its own
        inherited = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in self._known}
        with self.log_file(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=inherited | {"PATH": path, "PYTHONUNBUFFERED": "1"} | dict(env or {}),
                start_new_session=True,  # Ctrl-C reaches us alone; we stop the others in order
            )

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            process = self.processes.get(name)
            if process is None and time.monotonic() > deadline - READY_SECONDS + 5:
                raise StackError("Redis at REDIS_URL does not answer")
            if process is not None and process.poll() is not None:
                raise StackError(f"{name} ended at once; its log: {self.log_file(name)}\n{self._tail(name)}")
            try:
                if ready():
                    return
            except (requests.RequestException, RedisError, OSError):
                pass
            if time.monotonic() > deadline:
                raise StackError(f"{name} is not ready after {READY_SECONDS:.0f} s; its log: {self.log_file(name)}")
            time.sleep(0.05)

    def _tail(self, name: str) -> str:
        try:
            return "\n".join(self.log_file(name).read_text(errors="replace").splitlines()[-10:])
        except OSError:
            return ""

    def _redis_answers(self) -> bool:
        """And it is ours from then on."""
        with connect(self._redis_url(), decode=True) as client:
            return bool(client.ping()) and Identity(client).init(now=datetime.now(UTC)) is not None


def known_names() -> set[str]:
    """Every name that the application reads from the environment."""
    return {
        *settings_names(),
        *(name for spec in registry.specs().values() for name in (*spec.settings, *spec.local_settings)),
    }
