"""`make release-check`: is this tree a release? Builds what would be published and uses it as a stranger does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from integration_app import __version__
from packages.build import PACKAGES, build

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "build" / "dist"
BIN = Path(sys.executable).parent


def run(what: str, *words: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        print(f"FAIL  {what}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        sys.exit(1)
    print(f"ok    {what}", flush=True)
    return done.stdout


def the_same_everywhere() -> None:
    """The version stands in one place; what repeats it has to agree."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[([\d.]+)\]", changes, re.MULTILINE)
    notes = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    wrong = [
        *(["CHANGELOG.md has no section of it"] if not newest or newest[1] != __version__ else []),
        *(["docs/upgrading.md says nothing on it"] if f"## To {__version__.rpartition('.')[0]}" not in notes else []),
        *(["deploy/kubernetes names another"] if f'"{__version__}"' not in _kustomization() else []),
    ]
    if wrong:
        print(f"FAIL  {__version__}: {'; '.join(wrong)}")
        sys.exit(1)
    print(f"ok    {__version__} in the changelog, the upgrade notes and the manifests")


def _kustomization() -> str:
    return (ROOT / "deploy" / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8")


def main() -> None:
    the_same_everywhere()
    run("the image's file is clean", BIN / "hadolint", "--failure-threshold", "warning", "Dockerfile")
    shutil.rmtree(DIST, ignore_errors=True)
    run("wheel and sdist are built", BIN / "python", "-m", "build", "-o", DIST)
    for package in PACKAGES:
        build(package, DIST)
        print(f"ok    {package.name} is built")
    run("twine finds nothing wrong", BIN / "twine", "check", "--strict", *sorted(DIST.iterdir()))
    wheel = next(DIST.glob(f"omi_inbox-{__version__}-*.whl"))
    with tempfile.TemporaryDirectory(prefix="omi-inbox-release-") as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        run("the wheel installs alone", python, "-m", "pip", "install", "-q", f"{wheel}[local,alerts,otel,sentry]")
        (empty := folder / "empty").mkdir()
        env = {"PATH": f"{folder}/venv/bin:{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8"}
        said = run("it says its version", "omi-inbox", "--version", cwd=empty, env=env)
        assert said.startswith(f"omi-inbox {__version__} "), said
        run("its demo runs in an empty folder", "omi-inbox", "demo", cwd=empty, env=env)
        client = next(DIST.glob("omi_app_client-*.whl"))
        run("the client installs beside it", python, "-m", "pip", "install", "-q", client)
    print(
        f"\n{__version__} can be released: tag v{__version__}; CI publishes {', '.join(p.name for p in sorted(DIST.iterdir()))}"
    )


if __name__ == "__main__":
    main()
