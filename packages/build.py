"""`make packages`: the client and the sandbox as distributions of their own, built from the same folders.

omi-app-client   integration_app/omi      as `omi_app_client`; requests, httptools and marshmallow alone
omi-sandbox      integration_app/sandbox  as `omi_sandbox`; Flask alone, with a pytest fixture `omi_sandbox`
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    folder: str
    module: str
    about: str
    dependencies: tuple[str, ...]
    page: str
    more: str = ""


PACKAGES = (
    Package(
        "omi-app-client",
        "omi",
        "omi_app_client",
        "A typed client for Omi's integrations and Developer APIs",
        ("httptools>=0.6.4,<1", "marshmallow>=4.0,<5", "requests>=2.32,<3"),
        "client.md",
    ),
    Package(
        "omi-sandbox",
        "sandbox",
        "omi_sandbox",
        "Omi's APIs on localhost, with faults on demand and a pytest fixture",
        ("flask>=3.1,<4",),
        "sandbox.md",
        '[project.scripts]\nomi-sandbox = "omi_sandbox.__main__:main"\n\n'
        '[project.entry-points.pytest11]\nomi_sandbox = "omi_sandbox.pytest_plugin"\n',
    ),
)


def build(package: Package, out: Path) -> Path:
    """Build one wheel into `out`, and return it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = REPO / "integration_app" / package.folder
        target = folder / package.module
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        (target / "py.typed").touch()
        for path in target.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(f"integration_app.{package.folder}", package.module), encoding="utf-8")
        shutil.copy(REPO / "LICENSE", folder)
        shutil.copy(REPO / "docs" / package.page, folder / "README.md")
        (folder / "pyproject.toml").write_text(_project(package), encoding="utf-8")
        subprocess.run(  # noqa: S603 - pip, and our own folder
            [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(folder)], check=True
        )
    return next(out.glob(f"{package.module}-*.whl"))


def _project(package: Package) -> str:
    version = (REPO / "integration_app" / "__init__.py").read_text(encoding="utf-8").split('"')[-2]
    return f"""[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{package.name}"
version = "{version}"
description = "{package.about}"
readme = "README.md"
license = "MIT"
license-files = ["LICENSE"]
requires-python = ">=3.11"
dependencies = {list(package.dependencies)}

{package.more}
[tool.setuptools.packages.find]
include = ["{package.module}*"]

[tool.setuptools.package-data]
"*" = ["*.html", "*.css", "*.js", "py.typed"]
"""


def main() -> None:
    out = REPO / "build" / "packages"
    out.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        wheel = build(package, out)
        sys.stdout.write(f"{wheel.relative_to(REPO)}  {wheel.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
