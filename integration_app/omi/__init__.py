"""A typed client of Omi, liftable as it is: it knows requests and marshmallow, and nothing else of this house."""

from integration_app.omi.answers import from_response
from integration_app.omi.errors import (
    AppMisconfigured,
    AppNotEnabled,
    BadCredentials,
    InvalidRequest,
    OmiError,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from integration_app.omi.integrations import IntegrationsClient, conversation_body, memories_body
from integration_app.omi.types import (
    CONVERSATION_TEXT_MAX,
    MEMORY_CONTENT_MAX,
    Conversation,
    Geolocation,
    Memory,
    NewConversation,
    NewMemories,
    NewMemory,
)

__all__ = [
    "CONVERSATION_TEXT_MAX",
    "MEMORY_CONTENT_MAX",
    "AppMisconfigured",
    "AppNotEnabled",
    "BadCredentials",
    "Conversation",
    "Geolocation",
    "IntegrationsClient",
    "InvalidRequest",
    "Memory",
    "NewConversation",
    "NewMemories",
    "NewMemory",
    "OmiError",
    "OutcomeUnknown",
    "RateLimited",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "conversation_body",
    "from_response",
    "memories_body",
]
