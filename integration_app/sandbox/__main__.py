"""`python -m integration_app.sandbox`: Omi on localhost."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from integration_app.sandbox.app import create_app
from integration_app.sandbox.server import serve
from integration_app.sandbox.state import NEWEST, OLD


def main() -> None:
    parser = argparse.ArgumentParser(prog="omi-inbox sandbox", description="Omi on localhost.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("SANDBOX_PORT", "8100")))
    parser.add_argument("--app-id", default=os.environ.get("SANDBOX_APP_ID", "omi_inbox"))
    parser.add_argument(
        "--api-key",
        default=os.environ.get("SANDBOX_API_KEY", "sk_sandbox"),
        help="better given as SANDBOX_API_KEY: arguments show in the list of processes",
    )
    parser.add_argument("--boost", type=float, default=1.0, help="multiplies the rate limits (default: 1)")
    parser.add_argument("--data", type=Path, help="keep everything in this file (default: in memory)")
    parser.add_argument(
        "--strict-seed",
        action="store_true",
        help="behave as Omi's published pages say where they differ from the wire: error shape, headers, limits",
    )
    parser.add_argument(
        "--omi", choices=(NEWEST, OLD), default=NEWEST, help="Omi's behaviour at that time, where it differs"
    )
    given = parser.parse_args()
    if not 0 <= given.port <= 65535:
        parser.error("--port is a number up to 65535")
    serve(
        create_app(
            given.app_id,
            given.api_key,
            boost=given.boost,
            file=given.data,
            strict_seed=given.strict_seed,
            omi=given.omi,
        ),
        given.host,
        given.port,
    )


if __name__ == "__main__":
    main()
