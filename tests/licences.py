"""The licences of what the image installs, as a table; `make sbom` keeps it in build/licences.md."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, metadata

from tests.conftest import REPO

_NAME = re.compile(r"^([a-zA-Z0-9._-]+)==", re.MULTILINE)


def rows() -> list[tuple[str, str]]:
    """Package and licence, as the package itself says it."""
    names = _NAME.findall((REPO / "requirements.lock").read_text(encoding="utf-8"))
    found = []
    for name in sorted(set(names), key=str.lower):
        try:
            said = metadata(name)
        except PackageNotFoundError:  # for another platform
            continue
        fields = {field: said[field] for field in ("License-Expression", "License") if field in said}
        given = fields.get("License-Expression") or fields.get("License", "").split("\n")[0][:60]
        classes = [row.rpartition(" :: ")[2] for row in said.get_all("Classifier") or () if row.startswith("License")]
        found.append((name, given or ", ".join(classes) or _of_file(name) or "not said"))
    return found


def _of_file(name: str) -> str:
    """Of a package that names none: the licence whose words stand in its file."""
    found = distribution(name)
    files = [f"licenses/{path}" for path in found.metadata.get_all("License-File") or ()]
    words = " ".join(" ".join(found.read_text(path) or "" for path in files).split())
    return "BSD" if "Redistribution and use in source and binary forms, with or without" in words else ""


if __name__ == "__main__":
    print("| package | licence |\n| --- | --- |")
    for row in rows():
        print(f"| {row[0]} | {row[1]} |")
