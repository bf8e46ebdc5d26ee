"""`python -m integration_app.local.with_settings FILE COMMAND…`: the command, with a file's settings around it.

For containers. The file is read as every command of ours reads `.env`: nothing in it is expanded or run, and what the
environment has already stays.
"""

from __future__ import annotations

import os
import sys

from dotenv import dotenv_values


def main(path: str, *command: str) -> None:
    found = {name: value for name, value in dotenv_values(path, interpolate=False).items() if value is not None}
    os.execvpe(command[0], command, found | os.environ)  # noqa: S606 - what the image's entrypoint says


if __name__ == "__main__":
    main(*sys.argv[1:])
