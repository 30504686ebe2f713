"""The preview's page in Chromium: what a person does there and sees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from selenium_axe_python.axe import Axe

from tests.support.web.preview import Preview


def open_page(chromium: webdriver.Chrome, preview: Preview) -> None:
    """It is there when the field for a message has the focus."""
    chromium.get(preview.url)
    WebDriverWait(chromium, 30).until(lambda page: page.switch_to.active_element.get_attribute("id") == "text")


def answers(page: webdriver.Chrome, count: int) -> list[str]:
    """The texts of the bot's bubbles, once there are `count`."""

    def found(page: webdriver.Chrome) -> list[WebElement] | None:
        bubbles = page.find_elements(By.CSS_SELECTOR, ".bot:not(.typing) p")
        return bubbles if len(bubbles) == count else None

    # Not `.text`, which is empty while the bubble fades in.
    bubbles = WebDriverWait(page, 30).until(found)
    assert bubbles
    return [str(bubble.get_property("textContent")) for bubble in bubbles]


def type_and_send(page: webdriver.Chrome, words: str) -> None:
    page.switch_to.active_element.send_keys(words, Keys.ENTER)


def choose(page: webdriver.Chrome, *photos: str) -> None:
    page.find_element(By.ID, "files").send_keys("\n".join(photos))


def buttons(page: webdriver.Chrome) -> list[str]:
    # In one go: an element that was found may be replaced before it is asked.
    script = "return [...document.querySelectorAll('.keyboard button')].filter((key) => key.checkVisibility())"
    return list(page.execute_script(f"{script}.map((key) => key.textContent)"))


def press(page: webdriver.Chrome, label: str) -> None:
    page.find_element(By.XPATH, f"//div[@class='keyboard']//button[.='{label}']").click()


def count_shown(page: webdriver.Chrome, selector: str) -> int:
    images = page.find_elements(By.CSS_SELECTOR, selector)
    return len([image for image in images if image.is_displayed() and image.get_property("naturalWidth")])


@contextmanager
def theme(page: webdriver.Chrome, name: str) -> Iterator[None]:
    """As somebody's system has it; and still, since colours cannot be judged in mid-fade."""
    features = {"prefers-color-scheme": name, "prefers-reduced-motion": "reduce"}
    media = [{"name": feature, "value": value} for feature, value in features.items()]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    try:
        yield
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@contextmanager
def locale(page: webdriver.Chrome, preview: Preview, language: str) -> Iterator[None]:
    """The page, loaded again in a browser of that language."""
    agent = {"userAgent": page.execute_script("return navigator.userAgent")}
    page.execute_cdp_cmd("Emulation.setUserAgentOverride", agent | {"acceptLanguage": language})
    try:
        open_page(page, preview)
        yield
    finally:
        page.execute_cdp_cmd("Emulation.setUserAgentOverride", agent | {"acceptLanguage": "en-GB"})


@contextmanager
def phone(page: webdriver.Chrome, width: int, height: int) -> Iterator[None]:
    size = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@contextmanager
def touch(page: webdriver.Chrome) -> Iterator[None]:
    """A screen that is touched: no mouse is there, and nothing can be dropped."""
    page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 1})
    try:
        yield
    finally:
        page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def hold(page: webdriver.Chrome, element: WebElement, seconds: float) -> None:
    """Touch the middle of an element for so long."""
    box = element.rect
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    time.sleep(seconds)
    page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def spoken(page: webdriver.Chrome) -> list[str]:
    """The page's language, direction and a word."""
    root = "document.documentElement"
    return list(page.execute_script(f"return [{root}.lang, {root}.dir, document.querySelector('.send').ariaLabel]"))


def find_barriers(page: webdriver.Chrome) -> list[str]:
    """What axe finds on the page as it is now that keeps people out: of serious or critical impact."""
    axe = Axe(page)
    axe.inject()  # type: ignore[no-untyped-call]
    found = axe.run()
    assert len(found["passes"]) > 10
    return [
        f"{one['id']}: {node['html']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
