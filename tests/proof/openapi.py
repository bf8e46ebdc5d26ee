"""Schemathesis against the sandbox: whatever its OpenAPI document allows, and what it does not, ends in no 5xx."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

from integration_app.local.stack import Stack


def run(examples: int) -> tuple[int, float, str | None]:
    """Test cases, seconds, and what failed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="omi-inbox-openapi-") as folder:
        stack = Stack(Path(folder), boost=1e6)
        stack.folder.mkdir(exist_ok=True)
        try:
            stack.start_sandbox()
            requests.post(f"{stack.sandbox_url}/_sandbox/users/u/enable", timeout=5)
            key = requests.post(f"{stack.sandbox_url}/_sandbox/users/u/keys", json={}, timeout=5).json()
            keys = {"^/v2/": stack.env["OMI_API_KEY"], "^/v1/dev/user": key["key"], "^/v1/dev/keys": key["session"]}
            found = [_one(stack.sandbox_url, paths, secret, examples) for paths, secret in keys.items()]
        finally:
            stack.stop()
    failed = "; ".join(words for _, words in found if words) or None
    return sum(count for count, _ in found), round(time.monotonic() - began, 1), failed


def _one(url: str, paths: str, key: str, examples: int) -> tuple[int, str | None]:
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json", "--url", url,
            "-H", f"Authorization: Bearer {key}", "--checks", "not_a_server_error", "--include-path-regex", paths,
            "--max-examples", str(examples), "--phases", "examples,coverage,fuzzing", "--seed", "20261120",
        ],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    counted = re.findall(r"(\d+) generated", done.stdout)
    words = None if done.returncode == 0 else done.stdout[-1500:]
    return sum(map(int, counted)), words
