"""The whole stack on this machine, for demo, dev, tests and benchmarks."""

UNLIMITED = {"SENDER_MESSAGES_PER_MINUTE": "0", "USER_MESSAGES_PER_DAY": "0", "USER_MAX_MB": "0"}
"""Settings for load: thousands of texts of a few phones."""
