"""The pages behind mail links, used in a real browser."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, expect

from libs.kernel.locales import LOCALES
from services.gateway.pages.translations import TRANSLATIONS
from tests.service.gateway.browser import browsing, executable
from tests.service.gateway.conftest import World
from tests.service.gateway.test_links import contact_with_link

pytestmark = pytest.mark.skipif(
    executable() is None, reason="no Chromium is installed: `.ci/run` installs it, or your system's package does"
)

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL_TARGETS = """
[...document.querySelectorAll('button, select')].filter(each => each.getBoundingClientRect().height < 44).length
"""


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as started:
        yield started


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Return a page in the size of a phone, with scripts turned off."""
    context = await browser.new_context(
        java_script_enabled=False, viewport={"width": 360, "height": 740}, locale="en-GB"
    )
    yield await context.new_page()
    await context.close()


async def test_a_contact_unsubscribes_and_subscribes_again(world: World, page: Page) -> None:
    contact, _, token = contact_with_link(world)
    await page.goto(f"{world.url}/unsubscribe/{token}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Unsubscribe")
    assert world.contacts.subscribed[contact] is True
    await page.get_by_role("button", name="Unsubscribe").click()
    await expect(page.get_by_role("status")).to_contain_text("gets no more marketing emails")
    assert world.contacts.subscribed[contact] is False
    await page.get_by_role("button", name="Subscribe again").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are subscribed")
    assert world.contacts.subscribed[contact] is True


async def test_a_contact_pauses_with_the_keyboard_alone(world: World, page: Page) -> None:
    contact, _, token = contact_with_link(world)
    await page.goto(f"{world.url}/manage/{token}")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Unsubscribe")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Or take a break for a while?")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Emails are paused")
    assert world.contacts.subscribed[contact] is False and world.contacts.snoozed[contact]
    await page.get_by_role("button", name="Resume now").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are subscribed")


@pytest.mark.parametrize("width", [360, 1280])
async def test_every_language_fits_a_small_screen(world: World, browser: Browser, width: int) -> None:
    contact, _, token = contact_with_link(world)
    context = await browser.new_context(viewport={"width": width, "height": 740})
    page = await context.new_page()
    for locale in LOCALES:
        world.contacts.data[contact] = {"locale": locale}
        await page.goto(f"{world.url}/unsubscribe/{token}")
        await expect(page.locator("html")).to_have_attribute("lang", locale)
        await expect(page.get_by_role("heading", level=1)).to_have_text(TRANSLATIONS[locale].unsubscribe)
        assert await page.evaluate(OVERFLOW) <= 0, locale
        assert await page.evaluate(SMALL_TARGETS) == 0, locale
    await context.close()


async def test_a_long_address_does_not_widen_the_page(world: World, browser: Browser) -> None:
    contact, _, token = contact_with_link(world)
    world.contacts.addresses[contact] = f"{uuid4().hex}{uuid4().hex[:30]}@{uuid4().hex}.example.com"
    context = await browser.new_context(viewport={"width": 360, "height": 740})
    page = await context.new_page()
    await page.goto(f"{world.url}/manage/{token}")
    assert await page.evaluate(OVERFLOW) <= 0
    await context.close()
