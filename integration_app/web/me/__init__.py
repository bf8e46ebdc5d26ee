"""A signed-in user's pages beside the first one: a message, a search, how it arrives, imports, writing."""

from __future__ import annotations

from functools import wraps
from typing import Any

from integration_app.bootstrap import Services
from integration_app.web.security import page, signed_in, to_start


def own(view: Any) -> Any:
    """A page of a signed-in user, called with the services and the installation; anyone else is led to the start."""

    @page()
    @wraps(view)
    def shown(services: Services, *args: Any, **kwargs: Any) -> Any:
        uid = signed_in(services)
        installation = services.installations.get(uid) if uid else None
        return view(services, installation, *args, **kwargs) if installation else to_start()

    return shown
