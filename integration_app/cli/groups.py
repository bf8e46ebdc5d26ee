"""The list of commands, by what one is about to do, with one line for each that ends."""

from __future__ import annotations

import click

SECTIONS = {
    "Begin": {
        "init": "Ask what is needed, and write .env.",
        "run": "Run web, worker and an embedded Valkey as one.",
        "doctor": "Would this deployment lose messages?",
        "providers": "List the providers, and what to paste where.",
        "operator-password": "Make the setting for the operator's pages.",
    },
    "Try": {
        "demo": "Show the main job from nothing, then stop.",
        "dev": "Run everything here, with Omi as a sandbox.",
        "send-sample": "Send a message signed as its provider does.",
        "sandbox": "Run Omi on localhost, to develop against.",
        "simulate": "Try quiet windows on a month of messages.",
    },
    "Look": {
        "overview": "Show how it stands.",
        "messages": "List what arrived, or tell one story.",
        "tail": "Follow what happens, as it happens.",
        "installations": "List who is linked, and why anything waits.",
        "outboxes": "List outboxes in which messages wait.",
        "webhooks": "Tell your own systems what happens.",
        "alert": "Show what is wrong now, or send a test.",
        "alive": "Check the health of one container.",
    },
    "Act": {
        "link": "Link a phone to a user by hand.",
        "unlink": "Take a phone away from a user.",
        "prefer": "Set how one user wants it.",
        "resume": "Open gates now, and look at what waits.",
        "quarantine": "List, deliver or drop mail that is held.",
        "dead-letters": "List, send again or drop what was parked.",
        "replay": "Send many parked deliveries again.",
    },
    "Keep": {
        "keys": "Seal data under a new key.",
        "migrate": "Bring data of an earlier release up.",
        "restored": "Say that Redis came back from a copy.",
        "shards": "Users over several Redis: show, move.",
    },
    "Your data in Omi": {"omi": "List, create, import, export."},
}
"""Section → command → what it is for."""
REST = "Providers' own"


class Sections(click.Group):
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        known = {name: command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))}
        placed = {name for names in SECTIONS.values() for name in names}
        rest = {name: known[name].get_short_help_str(60) for name in known if name not in placed}
        width = max(map(len, known))
        for title, names in {**SECTIONS, REST: rest}.items():
            rows = [(name.ljust(width), words) for name, words in names.items() if name in known]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
