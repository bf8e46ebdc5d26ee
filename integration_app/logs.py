"""Structured logs on standard error.

Ids, counts and reasons only: no message text, no key, no whole address. `masked` is the one way to name an address.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

import structlog


def configure(log_format: str = "text", level: str = "info") -> None:
    """Set up structlog, and bring the standard library's loggers (gunicorn, RQ) into the same form."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Never the locals: they hold keys and people's words.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
        if log_format == "json"
        else structlog.processors.format_exc_info,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("rq", "rq.worker", "rq.job", "rq.queue"):
        logging.getLogger(name).setLevel(logging.ERROR)  # four lines a job that say less than our one
    logging.getLogger("imapclient").setLevel(logging.ERROR)  # it writes whole mails down
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings carry URLs


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for one module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def masked(address: str | None) -> str:
    """`+15550001234` → `+1555…34`, `ana@example.com` → `a…@example.com`, `telegram:155500011` → `telegram:…11`."""
    if not address:
        return "-"
    kind, colon, account = address.partition(":")
    if colon and kind.isascii():  # an account of a messenger
        return f"{kind}:…{account[-2:] if len(account) > 4 else ''}"
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}…@{domain}"
    return f"{address[:5]}…{address[-2:]}" if len(address) > 8 else "…"


_on_crash: list[Callable[[str, BaseException], None]] = []


def on_crash(told: Callable[[str, BaseException], None]) -> None:
    """Have each crash told too, by where it was."""
    _on_crash.append(told)


def crash(where: str, error: BaseException) -> str:
    """Log a crash and name it: its type and place, never its text, which may repeat a message."""
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]]
    place = frames[-1] if frames else "?"
    get(__name__).error("crash", where=where, error=type(error).__name__, at=frames)
    for told in _on_crash:
        with suppress(Exception):  # it is in the log
            told(where, error)
    return f"crash in {where}: {type(error).__name__} at {place}"
