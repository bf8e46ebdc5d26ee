"""`omi-inbox init` and `omi-inbox run` in an empty folder, as one sets up a small server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from redis import Redis

from integration_app.local.ports import free_port
from integration_app.local.stack import Stack, known_names
from integration_app.store import keys
from tests.journeys.conftest import FAST
from tests.sandbox_control import SandboxControl

PHONE, UID = "+15550001111", "traveller"
COMMAND = str(Path(sys.executable).parent / "omi-inbox")


class Server:
    """A folder, what is run in it, and the sandbox in place of Omi."""

    def __init__(self, folder: Path, omi: Stack) -> None:
        self.folder, self.omi = folder, omi
        self.url = f"http://127.0.0.1:{free_port(0)}"
        known = known_names() | {"DATA_FOLDER", "WEB_HOST"}
        bare = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in known}
        self.env = bare | FAST | {
            "OMI_BASE_URL": omi.sandbox_url,
            "PORT": self.url.rpartition(":")[2],
            "WEB_HOST": "127.0.0.1",
            "WEB_CONCURRENCY": "1",
            "LOG_FORMAT": "text",
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str, said: str = "") -> str:
        done = subprocess.run(
            [COMMAND, *words], cwd=self.folder, env=self.env, input=said, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        with (self.folder / "run.log").open("ab") as log:
            self.process = subprocess.Popen(
                [COMMAND, "run"], cwd=self.folder, env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        self.until(lambda: requests.get(f"{self.url}/readyz", timeout=2).json()["workers"] > 0)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(90)
        except subprocess.TimeoutExpired:
            left = self.children()
            self.process.kill()  # the others end with it
            raise AssertionError(f"still running: {left}\n{(self.folder / 'run.log').read_text()[-3000:]}") from None

    def children(self) -> dict[str, int]:
        """What runs under it: name → process id."""
        assert self.process is not None
        found = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=True
        )
        rows = [line.split(maxsplit=1) for line in found.stdout.splitlines()]
        names = {"valkey": "valkey", "gunicorn": "web", "workers": "worker"}
        return {name: int(pid) for pid, said in rows for word, name in names.items() if word in said}

    def epoch(self) -> str:
        with Redis(unix_socket_path=str(self.folder / "data" / "valkey.sock"), decode_responses=True) as redis:
            return str(redis.hget(keys.STORE, "epoch"))

    def until(self, look: Callable[[], object], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if look():
                    return
            except (requests.RequestException, KeyError):
                pass
            assert time.monotonic() < deadline, (self.folder / "run.log").read_text()[-3000:]
            time.sleep(0.1)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    omi = Stack(tmp_path_factory.mktemp("omi"))
    omi.start_sandbox()
    made = Server(tmp_path_factory.mktemp("s"), omi)
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()
        omi.stop()


def test_from_an_empty_folder_to_a_text_in_omi_and_through_every_death(server: Server) -> None:
    sandbox = SandboxControl(server.omi.sandbox_url, server.omi.env["OMI_APP_ID"], server.omi.env["OMI_API_KEY"])
    sandbox.enable(UID)
    answers = [
        "app", server.omi.env["OMI_APP_ID"], server.omi.env["OMI_API_KEY"], server.url,
        "texts", "+15550009999", "twilio", "AC" + "0" * 32, "made-up-token-0123456789", "",
    ]  # fmt: skip
    told = server.command("init", said="\n".join(answers) + "\n")
    assert f"{server.url}/webhooks/" in told
    assert (server.folder / ".env").stat().st_mode & 0o077 == 0
    server.start()
    assert server.command("link", "--uid", UID, "--phone", PHONE) == "", "no mail, no address"
    a_text = next(line.split()[0] for line in server.command("send-sample").splitlines() if "-sms" in line)
    server.command("send-sample", a_text)
    server.until(lambda: len(sandbox.texts(UID)) == 1)

    for name, pid in server.children().items():
        os.kill(pid, signal.SIGKILL)
        server.until(lambda name=name, pid=pid: server.children().get(name, pid) != pid)  # type: ignore[misc]
    server.until(lambda: requests.get(f"{server.url}/readyz", timeout=2).ok)
    server.command("send-sample", a_text)
    server.until(lambda: len(sandbox.texts(UID)) == 2)

    epoch = server.epoch()
    assert server.stop() == 0
    server.start()
    assert server.epoch() == epoch, "a clean stop loses no write: what waits need not be looked up in Omi"
    rows = json.loads(server.command("messages", "--json"))
    assert [row["state"] for row in rows] == ["done", "done"], "what was kept outlives a restart"
    with pytest.raises(AssertionError, match="in use by another"):
        server.command("run")


def test_when_it_is_killed_itself_nothing_goes_on_without_it(server: Server) -> None:
    (server.folder / ".env").write_text(
        f"OMI_APP_ID=a\nOMI_API_KEY=sk_a\nPUBLIC_BASE_URL={server.url}\nSECRET_KEY={'k' * 32}\n"
    )
    server.start()
    children = server.children()
    assert set(children) == {"valkey", "web", "worker"}
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.until(lambda: not any(_is_alive(pid) for pid in children.values()))
    server.start()
    assert json.loads(server.command("messages", "--json")) == []


def test_a_first_start_that_failed_does_not_leave_a_store_that_takes_nothing(server: Server) -> None:
    (server.folder / "data" / "valkey").mkdir(parents=True)
    settings = {
        "OMI_APP_ID": "a", "OMI_API_KEY": "sk_a", "PUBLIC_BASE_URL": server.url, "SECRET_KEY": "k" * 32,
    }  # fmt: skip
    server.env |= settings  # from the environment, as platforms give them
    server.start()
    assert requests.get(f"{server.url}/readyz", timeout=5).json()["status"] == "ok"
    assert json.loads(server.command("messages", "--json")) == [], "commands find the embedded Valkey"


def test_packages_of_the_folder_it_runs_in_do_not_stand_in_for_ours(server: Server) -> None:
    server.env |= {"OMI_APP_ID": "a", "OMI_API_KEY": "sk_a", "PUBLIC_BASE_URL": server.url}
    (server.folder / "key").write_text("k" * 32)
    server.env["SECRET_KEY_FILE"] = "key"  # beside us, wherever the processes run
    mark = server.folder / "mark"
    for name in ("gevent.py", "redis.py", "sitecustomize.py"):
        (server.folder / name).write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    for name in ("integration_app", "workers"):
        (server.folder / name).mkdir()
        (server.folder / name / "__init__.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    server.start()
    assert not mark.exists()


def test_a_lock_that_leads_elsewhere_is_refused(server: Server) -> None:
    server.env |= {"OMI_APP_ID": "a", "OMI_API_KEY": "sk_a", "PUBLIC_BASE_URL": server.url, "SECRET_KEY": "k" * 32}
    (elsewhere := server.folder / "important").write_text("words")
    (server.folder / "data").mkdir()
    (server.folder / "data" / "lock").symlink_to(elsewhere)
    with pytest.raises(AssertionError, match="cannot be written"):
        server.command("run")
    assert elsewhere.read_text() == "words"


def test_a_web_that_hangs_does_not_keep_valkey_from_stopping_well(server: Server) -> None:
    server.env |= {"OMI_APP_ID": "a", "OMI_API_KEY": "sk_a", "PUBLIC_BASE_URL": server.url, "SECRET_KEY": "k" * 32}
    server.start()
    epoch, children = server.epoch(), server.children()
    os.kill(children["web"], signal.SIGSTOP)
    assert server.stop() == 0
    assert not any(_is_alive(pid) for pid in children.values())
    server.until(lambda: _is_free(server.url))  # what the hanging one had started notices that it is gone
    server.start()
    assert server.epoch() == epoch


def _is_free(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_settings_that_cannot_be_used_end_it_at_once_with_one_list(server: Server) -> None:
    done = subprocess.run(
        [COMMAND, "run"], cwd=server.folder, env=server.env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "OMI_API_KEY: is not set" in done.stderr
    assert "omi-inbox init" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_ends_it_at_once(server: Server) -> None:
    server.env |= {"OMI_APP_ID": "a", "OMI_API_KEY": "sk_a", "PUBLIC_BASE_URL": server.url, "SECRET_KEY": "k" * 32}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(server.env["PORT"])))
        taken.listen()
        with pytest.raises(AssertionError, match=r"cannot be had .* set PORT"):
            server.command("run")


def test_gunicorn_tells_wrong_settings_once_and_before_it_forks(server: Server) -> None:
    words = ["gunicorn", "--config", "python:integration_app.web.gunicorn_conf", "integration_app.web.app:create_app()"]
    env = server.env | {"WEB_CONCURRENCY": "4"}
    done = subprocess.run(
        [str(Path(sys.executable).parent / words[0]), *words[1:]], cwd=server.folder, env=env, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("OMI_API_KEY: is not set") == 1
    assert "Traceback" not in done.stderr
