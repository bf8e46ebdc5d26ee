"""What docs/design.md says of colours is what the stylesheet has, and can be read."""

from __future__ import annotations

import re

import pytest

from tests.conftest import REPO

STYLE = (REPO / "integration_app" / "web" / "static" / "style.css").read_text(encoding="utf-8")
PAGE = (REPO / "docs" / "design.md").read_text(encoding="utf-8")


def roles(scheme: int) -> dict[str, str]:
    """Role → colour; `scheme` 0 is light, 1 dark."""
    block = re.findall(r":root \{([^}]*)\}", STYLE)[scheme]
    return dict(re.findall(r"(--[a-z]+): (#[0-9a-f]{3,6})", block))


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(sign * 2 for sign in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 counts it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("role", ["--ink", "--soft", "--link", "--good", "--warn", "--bad"])
def test_text_can_be_read_on_paper_and_on_cards(role: str, scheme: int) -> None:
    found = roles(scheme)
    for ground in ("--paper", "--card"):
        assert contrast(found[role], found[ground]) >= 4.5, ground


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_main_button_can_be_read(scheme: int) -> None:
    assert contrast(roles(scheme)["--on"], roles(scheme)["--link"]) >= 4.5


def test_the_document_names_every_colour_of_the_stylesheet() -> None:
    for scheme in (0, 1):
        for role, colour in roles(scheme).items():
            if role != "--on":
                assert f"`{role}`" in PAGE
                assert f"`{colour}`" in PAGE, (role, colour)
