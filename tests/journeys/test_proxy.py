"""Behind a real proxy: nginx as the documents set it up, and Caddy with the file that compose mounts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from integration_app.local.ports import free_port
from tests.conftest import REPO
from tests.journeys.conftest import Journey

CONFIG = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; client_max_body_size 60m;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {web};
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
"""


def nginx(folder: Path, port: int, web: str) -> list[str]:
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(binary).exists():
        pytest.skip("no nginx here: apt-get install nginx-light")
    (config := folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port, web=web))
    return [binary, "-p", str(folder), "-c", str(config)]


def caddy(folder: Path, port: int, web: str) -> list[str]:
    binary = shutil.which("caddy")
    if not binary:
        pytest.skip("no caddy here: apt-get install caddy")
    ours = (REPO / "deploy" / "compose" / "Caddyfile").read_text()
    version = subprocess.run([binary, "version"], capture_output=True, text=True, check=True).stdout
    if re.match(r"v?2\.[0-6]\.", version):  # as it was called then; Debian 12 has it
        ours = ours.replace("request_buffers 1MB", "buffer_requests")
    ours = ours.replace("{\n", "{\n\tadmin off\n", 1)
    (config := folder / "Caddyfile").write_text(ours)
    return [binary, "run", "--config", str(config), "--adapter", "caddyfile"]


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxied(journey: Journey, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    port = free_port(0)
    url = f"http://127.0.0.1:{port}"
    env = os.environ | {
        "PUBLIC_BASE_URL": url, "WEB": journey.stack.web_url.removeprefix("http://"), "HOME": str(tmp_path),
    }  # fmt: skip
    command = request.param(tmp_path, port, journey.stack.web_url)
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                requests.get(f"{url}/livez", timeout=2)
                break
            except requests.RequestException:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def test_a_text_comes_through_and_strangers_are_told_little(journey: Journey, proxied: str) -> None:
    real, journey.stack.web_url = journey.stack.web_url, proxied
    assert journey.text("through a proxy").status_code == 200
    journey.stack.web_url = real
    journey.until(lambda: journey.held() == "Me: through a proxy")
    assert set(requests.get(f"{proxied}/readyz", timeout=5).json()) == {"status"}
    assert "problems" in requests.get(f"{real}/readyz", timeout=5).json()


def test_headers_that_move_paths_are_not_believed(journey: Journey, proxied: str) -> None:
    for url in (proxied, journey.stack.web_url):
        moved = {"SCRIPT_NAME": "/livez", "Script-Name": "/livez", "X-Script-Name": "/livez"}
        answer = requests.get(f"{url}/livez/operator/login", headers=moved, timeout=5)
        assert answer.status_code == 404
        assert "Operator" not in answer.text
