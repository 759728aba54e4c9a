"""Pages in a real Chromium: WCAG 2.2 AA by axe-core, the keyboard alone, narrow screens, and what is printed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import asyncpg
import pytest
from browser import axe, browser, emulate, log_in, violations
from history_records import START, amended, call, closed, identifier, seed_case
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
from serving_process import address, prepare, serving
from web_service import make_tokens

from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow
__all__ = ["axe", "browser"]
SEED = identifier("interaction", "seed")
PAGES = (
    "", "?q=nobody", "interactions?channel=call", f"interactions/{SEED}", f"interactions/{SEED}?item=seed&verify=1",
    "accounts/ACME", "objects/opportunity/o1", "parties/P-17", "reports", "reports?from=2001-01-01&to=2001-01-02",
    "parties/nobody",
)  # fmt: skip


async def store(database: str) -> dict[str, str]:
    await prepare(database)
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        batch = [closed(seed_case(), agents={"john": "John Doe"}), amended(seed_case(), "e1")]
        batch += [closed(call(f"c{n}", START + timedelta(minutes=20 * n))) for n in range(8)]
        assert not await HistoryWriter(pool).write_batch(batch)
    return await make_tokens(database)


@pytest.fixture
def served(database: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of the page, and a token of each role."""
    tokens = asyncio.run(store(database))
    with serving(database.replace("//postgres@", "//serving_login@")) as process:
        yield address(process), tokens


def test_no_page_is_against_wcag_as_far_as_axe_can_tell(
    served: tuple[str, dict[str, str]], browser: Chrome, axe: str
) -> None:
    url, tokens = served
    found: dict[str, list[str]] = {}
    browser.get(f"{url}login")
    found["login"] = violations(browser, axe)
    for role, pages in (("supervisor", PAGES), ("auditor", ("accesses",))):
        log_in(browser, url, tokens[role])
        for scheme, width in (("light", 1300), ("dark", 1300), ("light", 360)):
            emulate(browser, scheme=scheme, width=width)
            for page in pages:
                browser.get(url + page)
                found[f"{page} {scheme} {width}"] = violations(browser, axe)
        emulate(browser)
    assert {page: one for page, one in found.items() if one} == {}
    browser.execute_script("document.querySelector('h1').style.color = '#ddd'")
    assert [one.partition(":")[0] for one in violations(browser, axe)] == ["color-contrast"], "axe tells what is wrong"


def test_the_keyboard_alone_finds_an_interaction_and_follows_a_bar(
    served: tuple[str, dict[str, str]], browser: Chrome
) -> None:
    url, tokens = served
    log_in(browser, url, tokens["supervisor"])
    keys = ActionChains(browser)
    keys.send_keys("/").perform()
    assert browser.switch_to.active_element.get_attribute("id") == "q"
    keys.send_keys("c1", Keys.ENTER).perform()
    WebDriverWait(browser, 60).until(lambda it: "/interactions/" in it.current_url)
    browser.get(f"{url}reports")
    for _ in range(60):
        keys.send_keys(Keys.TAB).perform()
        if browser.switch_to.active_element.find_elements(By.TAG_NAME, "rect"):
            break
    said = browser.switch_to.active_element.get_attribute("aria-label")
    assert said is not None
    assert "answered" in said
    keys.send_keys(Keys.ENTER).perform()
    WebDriverWait(browser, 60).until(lambda it: "wait_from=" in it.current_url)
    assert browser.find_elements(By.CSS_SELECTOR, "tbody a[href^='/interactions/']")


def test_narrow_pages_do_not_scroll_sideways_and_print_leaves_out_what_is_to_be_clicked(
    served: tuple[str, dict[str, str]], browser: Chrome
) -> None:
    url, tokens = served
    log_in(browser, url, tokens["supervisor"])
    for page in PAGES:
        browser.get(url + page)
        emulate(browser, width=360)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= 360, page
        emulate(browser, width=800, media="print")
        shown = "return [...document.querySelectorAll('header, .filters, .period, .download')].map(e => e.offsetHeight)"
        assert set(browser.execute_script(shown)) <= {0}, page
    emulate(browser)
