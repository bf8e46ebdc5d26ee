"""What you talk about: an HTML page with a chart of conversations by week and topic. `python analytics.py out.html`"""

from __future__ import annotations

import html
import os
import sys
from collections import Counter
from pathlib import Path

from integration_app.omi import DeveloperClient, retrying

WIDTH, HEIGHT, COLOURS = 640, 200, ("#2f6f8f", "#c8553d", "#588157", "#8e6c88", "#d4a373", "#6b7280")


def page(weeks: dict[str, Counter[str]], memories: int) -> str:
    topics = [topic for topic, _ in sum(weeks.values(), Counter()).most_common()]
    most = max((sum(topics_of.values()) for topics_of in weeks.values()), default=1)
    step = WIDTH / max(1, len(weeks))
    bars = []
    for place, (week, counts) in enumerate(sorted(weeks.items())):
        top = float(HEIGHT)
        for topic in topics:
            size = counts[topic] / most * (HEIGHT - 20)
            top -= size
            colour = COLOURS[topics.index(topic) % len(COLOURS)]
            label = html.escape(f"{week}: {counts[topic]} {topic}")
            bars.append(
                f'<rect x="{place * step:.1f}" y="{top:.1f}" width="{step * 0.8:.1f}" height="{size:.1f}" '
                f'fill="{colour}"><title>{label}</title></rect>'
            )
    legend = "".join(
        f'<li><b style="color:{COLOURS[number % len(COLOURS)]}">■</b> {html.escape(topic)}</li>'
        for number, topic in enumerate(topics)
    )
    total = sum(sum(counts.values()) for counts in weeks.values())
    return (
        f'<!doctype html><meta charset="utf-8"><title>Omi in numbers</title><h1>{total} conversations, '
        f'{memories} memories</h1><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="by week">'
        f"{''.join(bars)}</svg><ul>{legend}</ul>"
    )


def main(out: str) -> None:
    weeks: dict[str, Counter[str]] = {}
    with DeveloperClient(os.environ["OMI_DEVELOPER_KEY"], base_url=os.environ["OMI_BASE_URL"]) as client:
        omi = retrying(client)
        for conversation in omi.iter_conversations(page=100):
            week = conversation.created_at.strftime("%G-W%V")
            weeks.setdefault(week, Counter())[str(conversation.structured.get("category", "other"))] += 1
        memories = sum(1 for _ in omi.iter_memories(page=1000))
    Path(out).write_text(page(weeks, memories), encoding="utf-8")
    print(f"{sum(map(Counter.total, weeks.values()))} conversations in {len(weeks)} weeks: {out}")


if __name__ == "__main__":
    main(sys.argv[1])
