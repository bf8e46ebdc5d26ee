"""Behind a real proxy: nginx from the distribution, as the documents set it up."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from integration_app.local.stack import free_port
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


@pytest.fixture
def proxied(journey: Journey, tmp_path: Path) -> Iterator[str]:
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(binary).exists():
        pytest.skip("no nginx here: apt-get install nginx-light")
    port = free_port(0)
    config = tmp_path / "nginx.conf"
    config.write_text(CONFIG.format(folder=tmp_path, port=port, web=journey.stack.web_url))
    process = subprocess.Popen([binary, "-p", str(tmp_path), "-c", str(config)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
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
        process.wait(10)


def test_a_text_comes_through_and_strangers_are_told_little(journey: Journey, proxied: str) -> None:
    real, journey.stack.web_url = journey.stack.web_url, proxied
    assert journey.text("through nginx").status_code == 200
    journey.stack.web_url = real
    journey.until(lambda: journey.held() == "Me: through nginx")
    assert set(requests.get(f"{proxied}/readyz", timeout=5).json()) == {"status"}
    assert "problems" in requests.get(f"{real}/readyz", timeout=5).json()


def test_headers_that_move_paths_are_not_believed(journey: Journey, proxied: str) -> None:
    for url in (proxied, journey.stack.web_url):
        moved = {"SCRIPT_NAME": "/livez", "Script-Name": "/livez", "X-Script-Name": "/livez"}
        answer = requests.get(f"{url}/livez/operator/login", headers=moved, timeout=5)
        assert answer.status_code == 404
        assert "Operator" not in answer.text
