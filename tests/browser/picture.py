"""Makes the picture of the first page that README.md and previews of links show: `nox -s browser -- --picture`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser.conftest import OPTIONS, ROOT, make

FILE = ROOT / "docs" / "page.png"
WIDTH, HEIGHT, MOST = 1400, 1000, 150_000


def main() -> None:
    """Write it; ends with an error where it is larger than a README should load."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(OPTIONS))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto((make(Path(folder), "real") / "index.html").as_uri())
        picture = page.screenshot()
        browser.close()
    if len(picture) > MOST:
        raise SystemExit(f"{FILE.name}: {len(picture)} bytes, more than {MOST}: make HEIGHT smaller")
    FILE.write_bytes(picture)
    print(f"{FILE.relative_to(ROOT)}: {len(picture)} bytes")


if __name__ == "__main__":
    main()
