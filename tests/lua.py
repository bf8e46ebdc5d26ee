"""`make lint` for Lua: every script as Redis gets it, through luacheck."""

from __future__ import annotations

import shutil
import subprocess
import sys

from integration_app.store.scripts import assemble
from tests.conftest import REPO

FOLDERS = (REPO / "integration_app" / "store" / "lua", REPO / "workers" / "lua")
LUA_FILES = sorted([*(path for folder in FOLDERS for path in folder.rglob("*.lua")), *REPO.glob("benchmarks/*.lua")])
CONSTANTS: dict[str, str | int] = {
    **dict.fromkeys(("probe_pause_ms", "tick_ms", "interval_ms", "burst_ms", "probe_ms"), 1),
    "endpoint": "'endpoint:'",
    "forward": "'>'",
    **dict.fromkeys(
        ("rq_queues", "rq_queue", "rq_job", "rq_execution", "rq_executions", "rq_call", "rq_suspended"), "'x'"
    ),
    "rq_fields": "'a', 'b'",
}


def main() -> int:
    if shutil.which("luacheck") is None:
        print("luacheck is not installed: apt-get install lua-check")
        return 1
    failed = 0
    for path in LUA_FILES:
        if path.parent.name == "includes":
            continue  # checked in each script that includes it
        text = assemble(path.stem, CONSTANTS, path.parent).text.partition("\n")[2]
        command = ["luacheck", "-", "--no-color", "--std", "lua51", "--globals", "redis", "cjson", "KEYS", "ARGV"]
        command += ["--no-max-line-length", "--ignore", "211/_.*", "--filename", str(path.relative_to(REPO)), "-q"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        # what an include offers and one script does not use is no fault of that script
        warnings = [row for row in done.stdout.split("\n") if row.startswith("    ") and "unused function" not in row]
        if warnings:
            failed += 1
            print("\n".join(warnings))
    print(f"{len(LUA_FILES)} files of Lua, {failed} scripts with warnings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
