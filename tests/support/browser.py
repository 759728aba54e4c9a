"""A real Chromium that reads the page, and axe-core in it. Both come from outside: chromium and chromium-driver of
Debian, and the npm registry; a test that asks for them is skipped where one is missing, which CI may not be.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from patience import LIMIT
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

AXE = "4.14.1"
AXE_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN = "axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}}).then(arguments[1])"


def program(*names: str) -> str:
    """The first of these that is there, else the test is skipped."""
    found = next((place for name in names if (place := shutil.which(name))), None)
    if found is None and not os.environ.get("CI"):
        pytest.skip(f"needs {names[0]}")
    assert found is not None, names
    return found


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        [program("npm"), "pack", f"axe-core@{AXE}"], cwd=folder, capture_output=True, check=False, timeout=LIMIT
    )
    archive = folder / f"axe-core-{AXE}.tgz"
    if done.returncode and not os.environ.get("CI"):
        pytest.skip("the npm registry does not answer")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == AXE_SHA256
    with tarfile.open(archive) as packed:
        source = packed.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A headless Chromium of its own profile."""
    options = ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1300,1000"):
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    driver = Chrome(options=options, service=Service(program("chromedriver")))
    driver.set_page_load_timeout(LIMIT)
    driver.set_script_timeout(LIMIT)
    try:
        yield driver
    finally:
        driver.quit()


def log_in(browser: Chrome, url: str, token: str) -> None:
    """By the form, with a static token."""
    browser.delete_all_cookies()
    browser.get(f"{url}login")
    browser.find_element(By.NAME, "token").send_keys(token)
    browser.find_element(By.CSS_SELECTOR, ".token button").click()


def emulate(browser: Chrome, *, scheme: str = "light", width: int = 1300, media: str = "screen") -> None:
    """Colours, width and medium that the page is shown in."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [feature]})
    metrics: dict[str, Any] = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def violations(browser: Chrome, axe: str) -> list[str]:
    """What of the page is against WCAG 2.2 AA, as far as axe-core can tell: the rule and where."""
    browser.execute_script(axe)
    found = browser.execute_async_script(RUN, STANDARDS)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
