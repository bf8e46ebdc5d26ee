"""WhatsApp by Meta's Cloud API."""

from integration_app.providers.whatsapp_cloud.provider import SPEC

__all__ = ["SPEC"]
