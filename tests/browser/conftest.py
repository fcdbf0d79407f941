"""A real browser on the made site: Debian's Chromium, driven by Playwright. `nox -s browser` runs what is here."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright
from rich.console import Console

import sample
from compatmatrix.analysis import support
from compatmatrix.cli.context import read
from compatmatrix.publish import site, write
from compatmatrix.results import ledger

ROOT = Path(__file__).parents[2]
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-default-apps", "--disable-sync", "--no-first-run", "--force-color-profile=srgb",
)  # fmt: skip


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Left out unless named: `pytest tests` needs no browser."""
    return None if any("browser" in str(argument) for argument in config.invocation_params.args) else True


@dataclass(frozen=True)
class Served:
    """A site as files and, below a sub-path, on a server that notes what it could not find."""

    folder: Path
    url: str
    missing: list[str] = field(default_factory=list)

    @property
    def file(self) -> str:
        return self.folder.as_uri()


def make(folder: Path, kind: str) -> Path:
    """The site of fixed records, of the project's own (``real``), or of an example, named by its folder."""
    if kind == "sample":
        view = support.view(sample.make_ledger(), sample.make_config(folder), sample.make_probes())
    else:
        project = ROOT if kind == "real" else ROOT / "examples" / kind
        known = ledger.read(project / "reports" / "records")
        if not known.records:
            pytest.skip("no records are there yet")
        view = read(project / "matrix.toml", None, Console()).view(known)
    write.write(folder, {f"site/{name}": content for name, content in site.contents(view).items()})
    return folder / "site"


@pytest.fixture(scope="session", params=["sample", "real"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The site made from fixed records, and the one made from the project's own; each is made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    top = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"site-{request.param}"
    folder = top / "owner" / "project"
    with FileLock(f"{top}.lock"):
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            make(tmp_path_factory.mktemp(request.param), request.param).rename(folder)
    missing: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

        def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
            missing.append(self.path)
            super().send_error(code, message, explain)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(top))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Served(folder, f"http://127.0.0.1:{server.server_address[1]}/owner/project", missing)
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("chromium is not on PATH; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=list(OPTIONS))
        yield launched
        launched.close()


Opener = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Opener]:
    """Opens pages; at the end none of them may have left the site, met an error or asked for what is not there."""
    contexts: dict[tuple[object, ...], BrowserContext] = {}
    problems: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((served.url, served.file, "data:")):
            problems.append(f"asked for {request.url}")

    def opened(
        address: str,
        width: int = 1400,
        scheme: str = "light",
        scripts: bool = True,
        files: bool = False,
        height: int = 900,
    ) -> Page:
        settings = (width, height, scheme, scripts)
        if settings not in contexts:
            contexts[settings] = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                java_script_enabled=scripts,
                reduced_motion="reduce",
            )
        page = contexts[settings].new_page()
        page.on("request", asked)
        page.on(
            "console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{served.file if files else served.url}/{address}")
        return page

    yield opened
    for context in contexts.values():
        context.close()
    assert not problems
    assert not served.missing


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keeps a picture of a page where `SCREENSHOTS` names a folder."""
    folder = Path(os.environ.get("SCREENSHOTS", ""))
    kind = re.search(r"\[(.*)\]", request.node.name)

    def kept(page: Page, name: str) -> None:
        if "SCREENSHOTS" in os.environ:
            page.screenshot(path=folder / f"{kind.group(1) if kind else ''}-{name}.png", full_page=True)

    return kept
