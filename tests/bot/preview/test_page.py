"""The preview's page, as a person uses it in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.photos import COLORS, draw, draw_corner, encode
from tests.support.web.browser import (
    answers,
    buttons,
    choose,
    count_shown,
    open_page,
    press,
    spoken,
    type_and_send,
)
from tests.support.web.preview import ALBUM_HOW, BUTTONS, UNREADABLE, Preview, start_preview


def test_the_keyboard_alone_is_enough(page: webdriver.Chrome) -> None:
    type_and_send(page, "/start")
    assert answers(page, 1)[0].startswith("Hello!")
    type_and_send(page, "hm")
    assert answers(page, 2)[1].startswith("I only understand photos.")


def test_the_start_button_says_start(page: webdriver.Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "[data-say]").click()
    assert answers(page, 1)[0].startswith("Hello!")
    assert not page.find_elements(By.ID, "welcome")


def test_an_example_that_is_chosen_by_keyboard_leaves_the_focus_on_the_page(page: webdriver.Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "#examples button").send_keys(Keys.ENTER)
    answers(page, 1)
    assert page.switch_to.active_element.get_attribute("id") == "text"


def test_chosen_photos_are_each_answered_beside_a_quote_of_them(page: webdriver.Chrome, photos: list[str]) -> None:
    for number, (color, photo) in enumerate(zip(COLORS, photos, strict=True), start=1):
        choose(page, photo)
        assert answers(page, number)[-1].startswith(f"I see: {color}. I am 99% sure.")
    WebDriverWait(page, 30).until(lambda _: count_shown(page, ".bot .quote, .user .photo") == 6)


def test_photos_chosen_together_are_an_album_with_one_answer(page: webdriver.Chrome, photos: list[str]) -> None:
    page.execute_script("""
        window.grown = [];
        new MutationObserver(() => grown.push(document.querySelector(".bot:not(.typing) p")?.textContent))
            .observe(document.querySelector("#messages"), {subtree: true, childList: true});
    """)
    choose(page, *photos)
    whole = f"3 photos:\n1. red, 99%\n2. green, 99%\n3. blue, 99%\n\n{ALBUM_HOW}"
    WebDriverWait(page, 30).until(lambda _: answers(page, 1) == [whole])
    grown = page.execute_script("return [...new Set(grown.filter(Boolean))].map((text) => text.split('\\n').length)")
    assert grown == [2, 5, 6]
    assert len(page.find_elements(By.CSS_SELECTOR, ".user")) == 1
    assert count_shown(page, ".user .photo") == 3


def test_why_shows_the_bots_picture_and_a_verdict_a_toast(page: webdriver.Chrome, tmp_path: Path) -> None:
    draw_corner("red").save(tmp_path / "corner.png")
    choose(page, str(tmp_path / "corner.png"))
    answers(page, 1)
    assert buttons(page) == [label for row in BUTTONS for label in row]
    press(page, "Why?")
    assert "“red”" in answers(page, 2)[1]
    WebDriverWait(page, 30).until(lambda _: count_shown(page, ".bot .photo") == 1)
    press(page, "👍 Right")
    WebDriverWait(page, 30).until(lambda _: buttons(page) == ["Why?"])
    assert page.find_element(By.ID, "toast").text.startswith("Thank you!")
    assert page.switch_to.active_element.text == "Why?"  # the pressed button is gone, its focus is not
    page.switch_to.active_element.send_keys(Keys.ENTER)
    answers(page, 3)


@pytest.fixture
def automatic_language(preview: Preview) -> Iterator[None]:
    """In the end the bot speaks the browser's language again."""
    yield
    preview.send(message="999999", press="language:auto")


@pytest.mark.usefixtures("automatic_language")
def test_a_language_is_chosen_and_arabic_runs_from_right_to_left(page: webdriver.Chrome) -> None:
    type_and_send(page, "/language")
    answers(page, 1)
    press(page, "العربية")
    WebDriverWait(page, 30).until(lambda _: not buttons(page))
    type_and_send(page, "/start")
    assert answers(page, 2)[1].startswith("مرحبًا")
    direction = "return [...document.querySelectorAll('.message')].map((one) => getComputedStyle(one).direction)"
    assert page.execute_script(direction) == ["ltr", "rtl", "ltr", "rtl"]
    assert spoken(page) == ["ar", "rtl", "إرسال"]
    type_and_send(page, "/language")
    answers(page, 3)
    page.find_element(By.CSS_SELECTOR, ".keyboard div:last-child button:last-child").click()  # automatic
    WebDriverWait(page, 30).until(lambda _: answers(page, 3)[2] == "I will answer in English.")
    WebDriverWait(page, 30).until(lambda _: spoken(page) == ["en", "ltr", "Send"])


def test_commands_are_picked_from_the_menu_with_the_keyboard(page: webdriver.Chrome) -> None:
    opener = page.find_element(By.CSS_SELECTOR, "[popovertarget]")
    opener.send_keys(Keys.ENTER)
    first = page.switch_to.active_element
    assert first.text.split("\n") == ["/start", "what I do"]
    first.send_keys(Keys.TAB)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert answers(page, 1)[0].startswith("Send me a photo, or an image as a file")
    assert not first.is_displayed()
    assert page.switch_to.active_element.get_attribute("id") == "text"


def test_a_message_is_replied_to_with_the_keyboard_until_escape(page: webdriver.Chrome, photos: list[str]) -> None:
    choose(page, photos[0])
    answers(page, 1)
    field, bar = page.switch_to.active_element, page.find_element(By.ID, "replying")
    reply = page.find_element(By.CSS_SELECTOR, ".user .reply")
    assert reply.accessible_name == "Reply"
    for end in (Keys.ESCAPE, "/what" + Keys.ENTER):
        reply.send_keys(Keys.ENTER)
        assert page.switch_to.active_element == field
        assert (bar.text, count_shown(page, "#replying .quote")) == ("In reply to", 1)
        assert field.get_attribute("aria-describedby") == "replying-to"
        field.send_keys(end)
        assert not bar.is_displayed()
        assert field.get_attribute("aria-describedby") is None
    assert answers(page, 2)[1].startswith("I see: red.")
    type_and_send(page, "/what")
    assert answers(page, 3)[2].startswith("Reply to a photo with /what")
    assert count_shown(page, ".user img.quote") == 1  # what was sent as a reply
    assert count_shown(page, ".bot img.quote") == 2
    assert page.find_element(By.CSS_SELECTOR, ".bot span.quote").text == "/what"


def test_the_models_card_is_shown(page: webdriver.Chrome) -> None:
    opener = page.find_element(By.ID, "about")
    WebDriverWait(page, 30).until(lambda _: opener.is_displayed())
    opener.click()
    card = page.find_element(By.CSS_SELECTOR, "#card details")
    assert page.find_element(By.CSS_SELECTOR, "#card [tabindex] > div").text == ""  # the bot knows none of its figures
    assert card.find_element(By.TAG_NAME, "div").get_property("innerHTML") == (
        "<h2>colors.onnx</h2><p>"
        "<strong>On photos of a source that it never saw expect 91.2 % right.</strong> More below.</p>"
        "<p>Names photos: <code>red</code>, <strong>by <code>mean</code> colour</strong>. See "
        '<a href="https://example.com/x" target="_blank" rel="noreferrer">the docs</a>, '
        "&lt;b&gt;not&lt;/b&gt; [this](javascript:alert(1)).</p><h3>Figures</h3>"
        '<table><thead><tr><th scope="col">photos</th><th scope="col">right</th></tr></thead>'
        "<tbody><tr><td>all</td><td>99 %</td></tr></tbody></table>"
        "<ul><li>one point on two lines</li><li>another</li></ul><pre>python -m export   # made it</pre>"
    )
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    WebDriverWait(page, 30).until(lambda _: not card.is_displayed())


def test_without_a_card_there_is_no_button_for_it(
    chromium: webdriver.Chrome, color_model: Path, tmp_path: Path
) -> None:
    with start_preview(color_model, tmp_path) as preview:
        open_page(chromium, preview)
        assert not chromium.find_element(By.ID, "about").is_displayed()


def test_a_dropped_file_is_sent(page: webdriver.Chrome) -> None:
    drop = """
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(arguments[0])], "a.jpg", {type: "image/jpeg"}));
        for (const kind of ["dragenter", "dragover", "drop"])
            document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
    """
    page.execute_script(drop, list(encode(draw("green"))))
    page.execute_script(drop, list(b"not a photo"))
    assert sorted(answer[:14] for answer in answers(page, 2)) == sorted([UNREADABLE[:14], "I see: green. "])
    bubbles = page.find_elements(By.CSS_SELECTOR, ".user p")
    assert bubbles[1].get_property("textContent") == "a.jpg"  # no picture of it can be shown
    assert "dropping" not in (page.find_element(By.TAG_NAME, "body").get_attribute("class") or "")


def test_the_camera_takes_a_photo_and_is_let_go(page: webdriver.Chrome) -> None:
    page.find_element(By.ID, "camera").click()
    video = page.find_element(By.TAG_NAME, "video")
    WebDriverWait(page, 30).until(lambda _: video.get_property("videoWidth"))
    page.find_element(By.CSS_SELECTOR, "dialog [value=take]").click()
    assert len(answers(page, 1)) == 1
    assert video.get_property("srcObject") is None


def test_escape_closes_the_camera(page: webdriver.Chrome) -> None:
    page.find_element(By.ID, "camera").click()
    dialog = page.find_element(By.ID, "viewfinder")
    WebDriverWait(page, 30).until(lambda _: dialog.is_displayed())
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    WebDriverWait(page, 30).until(lambda _: not dialog.is_displayed())


def test_a_second_click_on_the_camera_leaves_none_running(page: webdriver.Chrome) -> None:
    page.execute_script("""
        window.tracks = [];
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wish) => {
            const stream = await ask(wish);
            tracks.push(...stream.getTracks());
            return stream;
        };
        document.querySelector("#camera").click();
        document.querySelector("#camera").click();
    """)
    WebDriverWait(page, 30).until(lambda _: page.find_element(By.TAG_NAME, "video").get_property("videoWidth"))
    page.find_element(By.CSS_SELECTOR, "dialog [value=cancel]").click()
    states = "return tracks.map((track) => track.readyState)"
    WebDriverWait(page, 30).until(lambda _: set(page.execute_script(states)) == {"ended"})


def test_an_example_is_answered_when_it_is_clicked(page: webdriver.Chrome) -> None:
    words = page.find_element(By.ID, "welcome").text
    assert "colors red · green · blue" in words
    assert "expect 91.2 % right" in words
    examples = page.find_elements(By.CSS_SELECTOR, "#examples img")
    assert [image.get_attribute("alt") for image in examples] == ["red", "green", "blue"]
    page.find_elements(By.CSS_SELECTOR, "#examples button")[1].send_keys(Keys.ENTER)
    assert "green" in answers(page, 1)[0]


def test_each_photo_of_an_album_can_be_asked_about(page: webdriver.Chrome, photos: list[str]) -> None:
    choose(page, *photos)
    WebDriverWait(page, 30).until(lambda _: answers(page, 1)[0].endswith(ALBUM_HOW))
    for count, number in enumerate((2, 0, 1), start=2):
        photo = page.find_elements(By.CSS_SELECTOR, ".numbered")[number]
        assert photo.accessible_name.startswith("Your photo")
        photo.send_keys(Keys.ENTER)
        type_and_send(page, "/what")
        assert answers(page, count)[-1].startswith(f"I see: {list(COLORS)[number]}.")
        sources = page.execute_script("return [...document.querySelectorAll('.bot img.quote')].map((one) => one.src)")
        assert sources[-1] == photo.find_element(By.TAG_NAME, "img").get_property("src")


def test_an_albums_photos_are_numbered_without_an_empty_quarter(page: webdriver.Chrome, photos: list[str]) -> None:
    choose(page, *photos[:3])
    answers(page, 1)
    script = "return [...document.querySelectorAll('.numbered')].map(one => [one.offsetLeft, one.offsetWidth])"
    (left, half), (_, second), (last_left, whole) = page.execute_script(script)
    assert half == second
    assert (last_left, whole >= 2 * half) == (left, True)


def test_the_reply_arrow_shows_by_hover_and_focus_alone(page: webdriver.Chrome, photos: list[str]) -> None:
    choose(page, photos[0])
    answers(page, 1)
    arrow = page.find_element(By.CSS_SELECTOR, ".bot .reply")
    page.execute_script("document.activeElement.blur()")
    assert arrow.value_of_css_property("opacity") == "0"
    page.execute_script("arguments[0].focus()", arrow)
    assert arrow.value_of_css_property("opacity") == "1"
