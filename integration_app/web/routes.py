"""Routes as a table: a view is a function of the services and what stands in the rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from flask import Blueprint
from flask_limiter import Limiter

from integration_app.bootstrap import Services
from integration_app.web.security import by_network


@dataclass(frozen=True, slots=True)
class Route:
    """`limit`: how often a caller may ask, as "60/minute"."""

    rule: str
    view: Callable[..., Any]
    methods: tuple[str, ...] = ("GET",)
    limit: str | None = None


NETWORK_FACTOR = 8
"""How many times as often a whole network may ask as one address."""


def _wider(limit: str) -> str:
    count, _, period = limit.partition("/")
    return f"{int(count) * NETWORK_FACTOR}/{period}"


def add_routes(
    blueprint: Blueprint, routes: Iterable[Route], services: Services, limiter: Limiter | None = None
) -> None:
    """Register each view under its own name. A route with a limit needs a limiter."""
    for route in routes:
        view: Callable[..., Any] = wraps(route.view)(partial(route.view, services))
        if route.limit:
            assert limiter is not None  # noqa: S101 - a table with limits is registered with one
            view = limiter.limit(route.limit)(view)
            view = limiter.limit(_wider(route.limit), key_func=by_network)(view)
        blueprint.add_url_rule(route.rule, route.view.__name__, view, methods=route.methods)
