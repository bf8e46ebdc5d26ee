"""`make audit`: pip-audit over what the image installs. Where its database cannot be reached, that is said, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import REPO

_AWAY = ("ConnectionError", "Max retries", "Name or service not known", "Temporary failure", "timed out", "ProxyError")


def main() -> int:
    tool = str(Path(sys.executable).with_name("pip-audit"))
    words = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "-r", str(REPO / "requirements.lock")]
    try:
        done = subprocess.run([tool, *words], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        print("audit: skipped, the database of advisories does not answer")
        return 0
    said = done.stdout + done.stderr
    unknown = said.count("could not be audited") or said.count("Dependency not found")
    if any(word in said for word in _AWAY) or (unknown and done.returncode == 0):
        print("audit: skipped, the database of advisories cannot be reached")
        return 0
    print(said.strip())
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
