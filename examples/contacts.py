"""People out of a vCard file, as memories with the tag "contact": `python contacts.py contacts.vcf`"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from integration_app.omi import IntegrationsClient, NewMemories, NewMemory, retrying

WORDS = {"TEL": "phone", "EMAIL": "e-mail", "ORG": "works at", "BDAY": "birthday", "NOTE": "note"}


def people(vcards: str) -> list[str]:
    found = []
    for card in re.findall(r"BEGIN:VCARD(.*?)END:VCARD", vcards.replace("\r\n", "\n"), re.DOTALL):
        rows = [row.partition(":") for row in card.strip().split("\n")]
        values = {name.partition(";")[0].rpartition(".")[2].upper(): value.strip() for name, _, value in rows}
        details = [f"{word} {values[name].strip(';')}" for name, word in WORDS.items() if values.get(name)]
        if values.get("FN"):
            found.append(f"{values['FN']}: {', '.join(details)}" if details else values["FN"])
    return found


def main(path: str) -> None:
    known = people(Path(path).read_text(encoding="utf-8"))
    with IntegrationsClient(
        os.environ["OMI_APP_ID"], os.environ["OMI_API_KEY"], base_url=os.environ["OMI_BASE_URL"]
    ) as client:
        memories = tuple(NewMemory(person[:500], tags=("contact",)) for person in known)
        retrying(client).create_memories(os.environ["OMI_UID"], NewMemories(memories=memories))
    print(f"{len(known)} people")


if __name__ == "__main__":
    main(sys.argv[1])
