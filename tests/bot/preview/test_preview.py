"""`python -m bot preview`, the real process: over HTTP, and as a person sees it in Chromium."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polib
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from selenium_axe_python.axe import Axe

from bot.inference.classifier import Classifier
from bot.preview.chat import FILES
from bot.preview.server import TEXTS
from bot.texts.replies import TEXTS as CATALOGUES
from tests.support.bot_process import BOT_PYTHON, RunBot, environment
from tests.support.chat import text
from tests.support.paths import ROOT
from tests.support.photos import COLORS, draw, draw_corner, encode
from tests.support.sockets import find_port

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
UNREADABLE = "I cannot read this file."
ALBUM_HOW = text("bot", "album-how")
BUTTONS = [["Why?"], ["👍 Right", "👎 Wrong"]]
CARD = """# colors.onnx

Names photos: `red`, **by `mean` colour**. See [the docs](https://example.com/x), <b>not</b>
[this](javascript:alert(1)).

## Figures

| photos | right |
| --- | --- |
| all | 99 % |

- one point
  on two lines
- another

```sh
python -m export   # made it
```
"""
USES = re.compile(r'(?:\bdata-(?:text|label|tip|hint|alt)=|\bsay\(|\balt = |\balt: )"([\w-]+)"')
"""Where the page names one of its texts."""
PICTURES = os.environ.get("LABELGRAM_PICTURES")
"""Where the README's pictures are written: `docs`. Without it they are taken, and not kept."""
PORTRAITS = sorted(ROOT.glob(".venv/train/lib/*/site-packages/skimage/data/astronaut.png"))
"""Eileen Collins, by NASA, in the public domain; from the environment that `make test` makes for the training."""


@dataclass
class Preview:
    process: subprocess.Popen[str]
    port: int
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}"

    def post(self, body: bytes, kind: str, **headers: str) -> tuple[int, Any]:
        request = urllib.request.Request(f"{self.url}/messages", body, {"Content-Type": kind, **headers})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def send(self, headers: dict[str, str] | None = None, language: str = "en", **fields: str | bytes) -> Any:
        """Send fields as the page does; returns what the bot shows of it, or the status if that is not 200."""
        boundary = uuid.uuid4().hex
        parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="language"\r\n\r\n{language}\r\n'.encode()]
        for name, value in fields.items():
            file = '; filename="a.jpg"\r\nContent-Type: image/jpeg' if isinstance(value, bytes) else ""
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
            parts += [head.encode(), value if isinstance(value, bytes) else value.encode(), b"\r\n"]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        status, answer = self.post(body, f"multipart/form-data; boundary={boundary}", **headers or {})
        return answer["shown"] if status == 200 else status

    def answer(self, language: str = "en", **fields: str | bytes) -> str:
        (answer,) = self.send(None, language, **fields)
        return str(answer["text"])

    def press(self, answer: dict[str, Any], label: str) -> Any:
        """Press the button that is called so."""
        (data,) = [key["data"] for row in answer["buttons"] for key in row if key["text"] == label]
        return self.send(message=str(answer["id"]), press=data)

    def get(self, path: str, **headers: str) -> Any:
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers)) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


def labels(answer: dict[str, Any]) -> list[list[str]]:
    return [[key["text"] for key in row] for row in answer["buttons"]]


@contextmanager
def start_preview(model: Path, home: Path) -> Iterator[Preview]:
    """A preview whose TMPDIR and HOME, `home`, stay empty."""
    port = find_port()
    quiet = {"LOG_LEVEL": "WARNING", "PYTHONDONTWRITEBYTECODE": "1"}
    variables = quiet | {"MODEL_PATH": str(model), "TMPDIR": str(home), "HOME": str(home)}
    with subprocess.Popen(
        [BOT_PYTHON, "-m", "bot", "preview", "--port", str(port)],
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == f"Preview: http://127.0.0.1:{port} (Ctrl-C ends it)\n"
            yield Preview(process, port)
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        assert list(home.iterdir()) == []


@pytest.fixture(scope="module")
def preview(color_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preview]:
    model = Path(shutil.copy(color_model, tmp_path_factory.mktemp("carded")))
    model.with_suffix(".md").write_text(CARD)
    with start_preview(model, tmp_path_factory.mktemp("home")) as preview:
        yield preview


def test_the_answers_are_the_bots_own(preview: Preview) -> None:
    assert preview.answer(text="/start").startswith("Hello!")
    assert preview.answer(text="/start@preview_bot").startswith("Hello!")
    assert "red, green, blue" in preview.answer(text="/help")
    assert preview.answer(text="what is this?").startswith("I only understand photos.")
    assert preview.answer(text="/start", language="fr-FR").startswith("Bonjour")
    for color in COLORS:
        (answer,) = preview.send(file=encode(draw(color, (1500, 1000))))
        assert (answer["text"], answer["reply_to"]) == (f"I see: {color}. I am 99% sure.", answer["id"] - 1)


def test_a_file_that_is_no_photo_is_refused_by_the_bot(preview: Preview) -> None:
    assert preview.answer(file=b"hello").startswith(UNREADABLE)
    assert preview.answer(file=b"x" * 21_000_000).startswith("Telegram lets me fetch files of up to 20 MB only.")
    assert preview.answer(file=encode(Image.new("L", (8000, 8000)), "PNG")).startswith("This image has too many pixels")


def test_an_albums_photos_share_an_answer_that_grows(preview: Preview) -> None:
    sent = [preview.send(album="holiday", file=encode(draw(color))) for color in COLORS]
    assert {answer["id"] for (answer,) in sent} == {sent[0][0]["id"]}
    assert [answer["text"].count("\n") for (answer,) in sent] == [1, 4, 5]
    assert sent[2][0]["text"] == f"3 photos:\n1. red, 99%\n2. green, 99%\n3. blue, 99%\n\n{ALBUM_HOW}"
    assert preview.answer(album="another", file=encode(draw("red"))).startswith("1 photo:")


def test_a_verdict_takes_the_buttons_away_and_is_thanked_for(preview: Preview) -> None:
    (answer,) = preview.send(file=encode(draw("red")))
    assert labels(answer) == BUTTONS
    changed, toast = preview.press(answer, "👎 Wrong")
    assert (changed["id"], changed["text"], labels(changed)) == (answer["id"], answer["text"], [["Why?"]])
    assert toast["toast"].startswith("Thank you!")


def test_why_sends_a_picture_for_as_long_as_the_photo_is_kept(preview: Preview) -> None:
    (answer,) = preview.send(file=encode(draw_corner("red")))
    (why,) = preview.press(answer, "Why?")
    assert why["photo"].startswith("data:image/jpeg;base64,")
    assert "“red”" in why["text"]
    for _ in range(FILES):
        preview.send(file=encode(draw("blue", (30, 30))))
    (gone,) = preview.press(answer, "Why?")
    assert (gone["text"], gone["photo"]) == ("I cannot fetch this photo any more. Please send it again.", None)
    (toast,) = preview.send(message="999999", press="why")  # a message that is not there any more
    assert toast == {"toast": "I cannot fetch this photo any more. Please send it again."}


def test_a_language_can_be_chosen(preview: Preview) -> None:
    (question,) = preview.send(text="/language")
    assert question["text"] == "Which language shall I answer in?"
    (chosen,) = preview.press(question, "Deutsch")
    assert (chosen["id"], labels(chosen)) == (question["id"], [])
    (question,) = preview.send(text="/language")
    assert question["text"] != "Which language shall I answer in?"
    preview.send(message=str(question["id"]), press="language:auto")
    assert preview.answer(text="/start").startswith("Hello!")


def test_what_names_the_photo_that_it_replies_to(preview: Preview) -> None:
    (answer,) = preview.send(file=encode(draw("red")))
    (again,) = preview.send(text="/what", reply_to=str(answer["reply_to"]))
    assert (again["text"], again["reply_to"]) == (answer["text"], answer["reply_to"])
    for number in ("", str(answer["id"]), "999999"):  # nothing, a text, and what is not there
        reply = {"reply_to": number} if number else {}
        assert preview.answer(text="/what", **reply).startswith("Reply to a photo")


def test_the_page_asks_for_texts_that_every_language_has(preview: Preview) -> None:
    asked = set()
    for file in (ROOT / "bot" / "preview").iterdir():
        asked |= set(USES.findall(file.read_text())) if file.suffix in (".html", ".js") else set()
    assert asked == set(TEXTS)
    english = {entry.msgid for entry in polib.pofile(str(CATALOGUES / "en.po")) if entry.msgctxt == "preview"}
    assert english == set(TEXTS)  # what English has every language has: test_replies
    for language, direction in (("en", "ltr"), ("ar-EG", "rtl")):
        assert preview.get(f"/about?language={language}")["texts"]["direction"] == direction


def test_the_bot_is_described_in_the_browsers_language(preview: Preview) -> None:
    english, french = preview.get("/about?language=en-GB"), preview.get("/about?language=fr")
    assert [command["name"] for command in english["commands"]] == [
        *("/start", "/help", "/privacy", "/what", "/language")
    ]
    assert (english["language"], french["language"], english["card"]) == ("en", "fr", CARD)
    for about in ("commands", "description", "texts"):
        assert english[about] != french[about]


def test_other_sites_are_refused(preview: Preview) -> None:
    assert preview.get("/about", Host="example.com") == 403
    assert preview.send({"Origin": "http://example.com"}, text="/start") == 403
    assert preview.send({"Origin": "null"}, text="/start") == 403
    assert preview.send({"Host": f"example.com:{preview.port}"}, text="/start") == 403
    assert preview.send({"Host": "localhost:x"}, text="/start") == 403
    assert preview.send({"Origin": preview.url}, text="/start")[0]["text"].startswith("Hello!")


def test_a_message_that_cannot_be_read_is_a_400(preview: Preview) -> None:
    assert preview.post(b"garbage", "multipart/form-data; boundary=x")[0] == 400
    assert preview.post(b"garbage", "multipart/form-data")[0] == 400
    assert preview.post(b"{}", "application/json")[0] == 400
    assert preview.send(other="/start") == 400
    assert preview.send(text="   ") == 400
    assert preview.send(press="why") == 400
    assert preview.send(message="x", press="why") == 400
    assert preview.send(text="/what", reply_to="x") == 400
    head = b'--x\r\nContent-Disposition: form-data; name="text"\r\nContent-Type: text/plain; charset=none\r\n\r\n'
    assert preview.post(head + b"hi\r\n--x--", "multipart/form-data; boundary=x")[0] == 400


def test_an_upload_that_ends_midway_leaves_no_traceback(preview: Preview) -> None:
    """That nothing was logged is checked by the fixture."""
    with socket.create_connection(("127.0.0.1", preview.port)) as browser:
        head = f"POST /messages HTTP/1.1\r\nHost: 127.0.0.1:{preview.port}\r\nContent-Length: 9999\r\n"
        start = '--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nhi'
        browser.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n{start}".encode())
    assert preview.answer(text="/start").startswith("Hello!")


def test_a_port_in_use_ends_with_one_line(preview: Preview, run_bot: RunBot, color_model: Path) -> None:
    for port in (str(preview.port), "99999"):
        done = run_bot("preview", "--port", port, MODEL_PATH=str(color_model))
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert f"port {port} cannot be had" in line


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--lang=en-GB",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        yield browser


def open_page(chromium: webdriver.Chrome, preview: Preview) -> None:
    """It is there when the field for a message has the focus."""
    chromium.get(preview.url)
    WebDriverWait(chromium, 30).until(lambda page: page.switch_to.active_element.get_attribute("id") == "text")


@pytest.fixture
def page(preview: Preview, chromium: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    chromium.set_window_size(1000, 760)
    open_page(chromium, preview)
    yield chromium
    entries = chromium.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in entries if entry["level"] == "SEVERE"] == []


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


def test_the_keyboard_alone_is_enough(page: webdriver.Chrome) -> None:
    type_and_send(page, "/start")
    assert answers(page, 1)[0].startswith("Hello!")
    type_and_send(page, "hm")
    assert answers(page, 2)[1].startswith("I only understand photos.")


def test_the_start_button_says_start(page: webdriver.Chrome) -> None:
    page.find_element(By.CSS_SELECTOR, "[data-say]").click()
    assert answers(page, 1)[0].startswith("Hello!")
    assert not page.find_elements(By.ID, "welcome")


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """A file of each of COLORS."""
    paths = [tmp_path / f"{color}.jpg" for color in COLORS]
    for path in paths:
        draw(path.stem).save(path)
    return list(map(str, paths))


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


def spoken(page: webdriver.Chrome) -> list[str]:
    """The page's language, direction and a word."""
    root = "document.documentElement"
    return list(page.execute_script(f"return [{root}.lang, {root}.dir, document.querySelector('.send').ariaLabel]"))


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
    card = page.find_element(By.CSS_SELECTOR, "#card [tabindex]")
    assert card.get_property("innerHTML") == (
        "<h2>colors.onnx</h2><p>Names photos: <code>red</code>, <strong>by <code>mean</code> colour</strong>. See "
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
    """The page anew, in a browser of that language."""
    agent = {"userAgent": page.execute_script("return navigator.userAgent")}
    page.execute_cdp_cmd("Emulation.setUserAgentOverride", agent | {"acceptLanguage": language})
    try:
        open_page(page, preview)
        yield
    finally:
        page.execute_cdp_cmd("Emulation.setUserAgentOverride", agent | {"acceptLanguage": "en-GB"})


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


@contextmanager
def phone(page: webdriver.Chrome, width: int, height: int) -> Iterator[None]:
    size = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


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


def test_every_button_and_field_has_a_name(page: webdriver.Chrome) -> None:
    for element in page.find_elements(By.CSS_SELECTOR, "button, input"):
        name = element.accessible_name if element.is_displayed() else "hidden"
        assert name, element.get_attribute("outerHTML")


@pytest.mark.skipif(not PORTRAITS, reason="scikit-image's portrait comes with the training environment")
@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_readmes_picture_shows_an_answer_and_why(chromium: webdriver.Chrome, tmp_path: Path, name: str) -> None:
    """Of the shipped model. `LABELGRAM_PICTURES=docs` writes it there."""
    photo, home = tmp_path / "portrait.png", tmp_path / "home"
    home.mkdir()
    with Image.open(PORTRAITS[0]) as portrait:
        face = portrait.convert("RGB").crop((70, 0, 370, 200))
        face.resize((1200, 800), Image.Resampling.LANCZOS).save(photo)
    if not Classifier(ROOT / "artifacts" / "mask.onnx", threads=1).explains:
        pytest.skip("the shipped model has no output `evidence`")
    with (
        start_preview(ROOT / "artifacts" / "mask.onnx", home) as preview,
        theme(chromium, name),
        phone(chromium, 465, 960),
    ):
        open_page(chromium, preview)
        choose(chromium, str(photo))
        assert answers(chromium, 1)[0].startswith("You are not wearing a mask")
        chromium.find_element(By.CSS_SELECTOR, ".keyboard button").send_keys(Keys.ENTER)
        answers(chromium, 2)
        WebDriverWait(chromium, 30).until(lambda _: count_shown(chromium, ".photo") == 2)
        chromium.execute_script("document.activeElement.blur()")
        picture = Image.open(io.BytesIO(chromium.get_screenshot_as_png())).convert("RGB")
        assert picture.size == (930, 1920)
        if PICTURES:
            file = Path(PICTURES) / {"light": "preview.png", "dark": "preview-dark.png"}[name]
            picture.quantize(256, kmeans=2).save(file, optimize=True)
        messages = chromium.find_element(By.ID, "messages")
        assert messages.get_property("scrollHeight") == messages.get_property("clientHeight")  # nothing is cut off
