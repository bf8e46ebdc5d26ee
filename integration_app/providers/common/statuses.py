"""The answers for vendors that send again whatever is not 2xx, and never look at which."""

from __future__ import annotations

from collections.abc import Mapping

from integration_app.providers.base import Outcome

SENT_AGAIN: Mapping[Outcome, int] = {
    Outcome.STORED: 200,
    Outcome.DUPLICATE: 200,
    Outcome.RECORDED: 200,
    Outcome.BAD_SIGNATURE: 401,  # kept while a rotated secret is mended
    Outcome.NOT_CONFIGURED: 503,
    Outcome.MALFORMED: 200,  # sending it again cannot help, and would hold up what comes behind it
    Outcome.UNKNOWN_RECIPIENT: 200,
    Outcome.TOO_LARGE: 200,
    Outcome.UNAVAILABLE: 503,
}
