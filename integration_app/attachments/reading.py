"""What came of reading an attachment."""

from __future__ import annotations

from dataclasses import dataclass

from integration_app.text.clean import clean

WORDS_MAX = 20_000
"""Characters that are taken from one attachment."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Its words, `detail` about it ("2 pages"), `cut` where there are more; or `why_not`. `is_voice`: it was said."""

    words: str = ""
    detail: str = ""
    cut: bool = False
    why_not: str = ""
    is_voice: bool = False

    @property
    def text(self) -> str:
        """The words, with a visible note where they are not all."""
        words = clean(self.words)
        if len(words) <= WORDS_MAX and not self.cut:
            return words
        return f"{words[:WORDS_MAX].rstrip()}\n[Cut here: the attachment goes on]"
