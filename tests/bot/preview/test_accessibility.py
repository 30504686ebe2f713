"""The preview's page on a phone, in the dark, from right to left, by keyboard, and for screen readers."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.chat import TEXTS, text
from tests.support.web.browser import (
    answers,
    choose,
    find_barriers,
    hold,
    locale,
    open_page,
    phone,
    press,
    spoken,
    theme,
    touch,
    type_and_send,
)
from tests.support.web.preview import Preview


@pytest.mark.parametrize(("name", "language"), [("light", "en"), ("dark", "en"), ("light", "ar"), ("dark", "ar")])
def test_nobody_is_kept_out(
    page: webdriver.Chrome, preview: Preview, photos: list[str], name: str, language: str
) -> None:
    with theme(page, name), locale(page, preview, language):
        assert spoken(page)[0] == language
        assert find_barriers(page) == []
        type_and_send(page, "/what")
        answers(page, 1)
        choose(page, photos[0])
        answers(page, 2)
        press(page, text("button", "why", language))
        answers(page, 3)
        press(page, text("button", "wrong", language))
        page.find_element(By.CSS_SELECTOR, ".bot .reply").click()
        page.find_element(By.CSS_SELECTOR, "[popovertarget]").click()
        WebDriverWait(page, 30).until(lambda _: page.find_element(By.ID, "toast").text)
        assert find_barriers(page) == []
        page.switch_to.active_element.send_keys(Keys.ESCAPE)
        page.find_element(By.ID, "about").click()
        assert find_barriers(page) == []
        ground = page.execute_script("return getComputedStyle(document.querySelector('.bot .bubble')).backgroundColor")
        assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(29, 42, 55)"}[name]


def test_what_keeps_people_out_is_found(page: webdriver.Chrome) -> None:
    """The test above could fail."""
    page.execute_script("document.querySelector('#text').removeAttribute('aria-label')")
    page.execute_script("document.querySelector('#text').removeAttribute('placeholder')")
    page.execute_script("document.querySelector('h1').style.color = '#ddd'")
    assert {barrier.partition(":")[0] for barrier in find_barriers(page)} == {"label", "color-contrast"}


def test_a_phones_width_shows_everything(page: webdriver.Chrome) -> None:
    with phone(page, 360, 640):
        type_and_send(page, "/help")
        type_and_send(page, "/language")
        answers(page, 2)
        assert page.execute_script("return document.documentElement.scrollWidth") == 360
        for selector in (".send", "#about", ".keyboard div button:last-child"):
            element = page.find_element(By.CSS_SELECTOR, selector).rect
            assert element["x"] + element["width"] <= 360, selector
            assert element["y"] + element["height"] <= 640, selector
        with Image.open(io.BytesIO(page.get_screenshot_as_png())) as picture:
            assert picture.size == (720, 1280)


@pytest.mark.parametrize("language", TEXTS)
def test_on_a_phone_the_tagline_is_whole_and_the_card_no_wider(
    page: webdriver.Chrome, preview: Preview, language: str
) -> None:
    with phone(page, 390, 844), locale(page, preview, language):
        page.find_element(By.ID, "about").click()
        for selector in ("header p", "#card [tabindex]", "body"):
            script = f"const {{scrollWidth, clientWidth}} = document.querySelector('{selector}')"
            whole, shown = page.execute_script(f"{script}; return [scrollWidth, clientWidth]")
            assert whole <= shown, selector


HINT_IS_WHOLE = """
    const field = document.querySelector("#text"), style = getComputedStyle(field);
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.font = style.font;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return canvas.measureText(field.placeholder).width <= room;
"""


@pytest.mark.parametrize("language", TEXTS)
def test_the_narrowest_phone_shows_everything(page: webdriver.Chrome, preview: Preview, language: str) -> None:
    with phone(page, 320, 568), locale(page, preview, language):
        assert page.execute_script("return document.documentElement.scrollWidth") == 320
        for selector in ("#about", ".send", "#welcome"):
            script = f"const {{left, right}} = document.querySelector('{selector}').getBoundingClientRect()"
            left, right = page.execute_script(f"{script}; return [left, right]")
            assert 0 <= left < right <= 320, selector
        assert page.execute_script(HINT_IS_WHOLE)


def test_a_long_class_name_makes_no_phones_page_wider(page: webdriver.Chrome, preview: Preview) -> None:
    with phone(page, 320, 568), locale(page, preview, "en"):
        page.execute_script("document.querySelector('#model span').textContent = 'x'.repeat(100)")
        for selector in ("#welcome", "#messages"):
            script = f"const {{scrollWidth, clientWidth}} = document.querySelector('{selector}')"
            whole, shown = page.execute_script(f"{script}; return [scrollWidth, clientWidth]")
            assert whole <= shown <= 320, selector


def test_a_screen_that_is_touched_says_tap_and_shows_the_arrow_after_a_long_press(
    page: webdriver.Chrome, preview: Preview
) -> None:
    with phone(page, 390, 844), touch(page):
        open_page(page, preview)
        assert page.find_element(By.ID, "invitation").text == text("preview", "tap-here")
        type_and_send(page, "/help")
        answers(page, 1)
        bubble, arrow = (page.find_element(By.CSS_SELECTOR, f".bot {part}") for part in (".bubble", ".reply"))
        WebDriverWait(page, 30).until(lambda _: not page.execute_script("return document.getAnimations().length"))
        assert arrow.value_of_css_property("opacity") == "0"
        hold(page, bubble, 1.0)
        WebDriverWait(page, 30).until(lambda _: arrow.value_of_css_property("opacity") == "1")
    open_page(page, preview)
    assert page.find_element(By.ID, "invitation").text == text("preview", "drop-here")


def test_every_button_and_field_has_a_name(page: webdriver.Chrome) -> None:
    for element in page.find_elements(By.CSS_SELECTOR, "button, input"):
        name = element.accessible_name if element.is_displayed() else "hidden"
        assert name, element.get_attribute("outerHTML")
