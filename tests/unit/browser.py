"""A headless Chromium for tests of the page, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_HOW = "install one: apt-get install chromium, or playwright install chromium"


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser: the system's, else Playwright's own; skip the test where there is none."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright (extra `test`) is not installed"
    )
    system = next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_api.sync_playwright() as playwright:
        try:
            # a container has no user namespaces for the sandbox
            browser = playwright.chromium.launch(executable_path=system, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"no Chromium starts here ({str(error).splitlines()[0]}); {_HOW}")
        yield browser
        browser.close()
