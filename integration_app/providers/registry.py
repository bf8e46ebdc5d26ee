"""Finds the provider folders and configures those whose settings are set."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import resources

from environs import Env

from integration_app import providers
from integration_app.providers.base import Outcome, Provider, ProviderSpec


@cache
def specs() -> Mapping[str, ProviderSpec]:
    """Every provider folder, by name: a package below this one with a `SPEC`."""
    found = {}
    for module in pkgutil.iter_modules(providers.__path__):
        if module.ispkg and module.name != "common":
            spec: ProviderSpec = importlib.import_module(f"{providers.__name__}.{module.name}").SPEC
            found[spec.name] = spec
    return dict(sorted(found.items()))


def for_channel(channel: str) -> ProviderSpec:
    """A vendor that carries this channel, not one of the examples to copy; the usual one where there is one."""
    found = [spec for spec in specs().values() if channel in spec.channels and not spec.is_example]
    return next((spec for spec in found if spec.is_usual), found[0])


def configured(env: Env) -> dict[str, Provider]:
    """The providers that are on. Mistakes stay with `env`, to be reported together with all others."""
    made = {name: spec.from_env(env) for name, spec in specs().items()}
    return {name: provider for name, provider in made.items() if provider is not None}


def off(on: Mapping[str, Provider]) -> dict[str, int]:
    """The providers that are not configured, with what each wants to be answered then."""
    known = specs().items()
    return {name: spec.provider.statuses[Outcome.NOT_CONFIGURED] for name, spec in known if name not in on}


def setup_text(name: str) -> str:
    """The folder's `setup.md`."""
    folder = resources.files(f"{providers.__name__}.{specs()[name].name.replace('-', '_')}")
    return folder.joinpath("setup.md").read_text(encoding="utf-8")
