"""Debian's Chromium, driven by Selenium: found, started, and asked what it loaded and what it complained of."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

REQUIRED = "HARNESS_BROWSER_REQUIRED"
"""Set where tests are to fail, not to be skipped, without a browser: ``.ci/run`` sets it after installing one."""


@contextmanager
def started_browser() -> Iterator[Chrome]:
    """A headless browser whose console and requests are recorded; skips the test where none is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    binary = next((path for name in names if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        reason = "no Chromium with its driver is installed: `make browser` installs Debian's"
        if os.environ.get(REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)
    options = ChromeOptions()
    options.binary_location = binary
    # Containers run as root and have little shared memory.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.add_argument("--window-size=1280,1000")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options=options, service=ChromeService(executable_path=driver))
    try:
        yield browser
    finally:
        browser.quit()


def complaints(browser: Chrome) -> list[str]:
    """What the console was told since it was last asked: errors and warnings, of pages and of the policy."""
    return [entry["message"] for entry in browser.get_log("browser")]


def requested(browser: Chrome) -> list[str]:
    """The addresses of everything that was loaded since it was last asked."""
    events: list[dict[str, Any]] = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
