"""`python -m bot preview`, the real process: over HTTP, and as a person sees it in Chromium."""

from __future__ import annotations

import io
import json
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.bot.conftest import BOT_PYTHON, RunBot, environment
from tests.bot.photos import COLORS, draw, encode
from tests.conftest import ROOT

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
UNREADABLE = "I cannot read this file."


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
        """Send `text` or `file` as the page does; returns the answers, or the status if there are none."""
        boundary = uuid.uuid4().hex
        parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="language"\r\n\r\n{language}\r\n'.encode()]
        for name, value in fields.items():
            file = '; filename="a.jpg"\r\nContent-Type: image/jpeg' if isinstance(value, bytes) else ""
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
            parts += [head.encode(), value if isinstance(value, bytes) else value.encode(), b"\r\n"]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        status, answer = self.post(body, f"multipart/form-data; boundary={boundary}", **headers or {})
        return answer if status == 200 else status

    def answer(self, language: str = "en", **fields: str | bytes) -> str:
        (answer,) = self.send(None, language, **fields)
        return str(answer["text"])


@pytest.fixture(scope="module")
def preview(color_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preview]:
    """A preview whose TMPDIR and HOME stay empty."""
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"LOG_LEVEL": "WARNING", "PYTHONDONTWRITEBYTECODE": "1"}
    variables = quiet | {"MODEL_PATH": str(color_model), "TMPDIR": str(home), "HOME": str(home)}
    with subprocess.Popen(
        [BOT_PYTHON, "-m", "bot", "preview", "--port", str(port)],
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == f"Preview: http://127.0.0.1:{port} (Ctrl-C ends it)\n"
        yield Preview(process, port)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        assert list(home.iterdir()) == []


def test_the_answers_are_the_bots_own(preview: Preview) -> None:
    assert preview.answer(text="/start").startswith("Hello!")
    assert preview.answer(text="/start@preview_bot").startswith("Hello!")
    assert "red, green, blue" in preview.answer(text="/help")
    assert preview.answer(text="what is this?").startswith("I only understand photos.")
    assert preview.answer(text="/start", language="fr-FR").startswith("Bonjour")
    for color in COLORS:
        (answer,) = preview.send(file=encode(draw(color, (1500, 1000))))
        assert answer == {"text": f"I see: {color}. I am 99% sure.", "is_reply": True}


def test_a_file_that_is_no_photo_is_refused_by_the_bot(preview: Preview) -> None:
    assert preview.answer(file=b"hello").startswith(UNREADABLE)
    assert preview.answer(file=b"x" * 21_000_000).startswith("Telegram lets me fetch files of up to 20 MB only.")
    assert preview.answer(file=encode(Image.new("L", (8000, 8000)), "PNG")).startswith("This image has too many pixels")


def test_other_sites_are_refused(preview: Preview) -> None:
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


@pytest.fixture
def page(preview: Preview, chromium: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    chromium.set_window_size(1000, 760)
    chromium.get(preview.url)
    yield chromium
    entries = chromium.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in entries if entry["level"] == "SEVERE"] == []


def answers(page: webdriver.Chrome, count: int) -> list[str]:
    """The texts of the bot's bubbles, once there are `count`."""

    def found(page: webdriver.Chrome) -> list[WebElement] | None:
        bubbles = page.find_elements(By.CSS_SELECTOR, ".bubble.bot:not(.typing) p")
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


def test_chosen_photos_are_each_answered_beside_a_quote_of_them(page: webdriver.Chrome, tmp_path: Path) -> None:
    paths = []
    for color in COLORS:
        paths.append(tmp_path / f"{color}.jpg")
        paths[-1].write_bytes(encode(draw(color)))
    page.find_element(By.ID, "files").send_keys("\n".join(map(str, paths)))
    assert sorted(answers(page, 3)) == sorted(f"I see: {color}. I am 99% sure." for color in COLORS)
    shown = page.find_elements(By.CSS_SELECTOR, ".bot .quote, .user .photo")
    assert len([image for image in shown if image.is_displayed() and image.get_property("naturalWidth")]) == 6


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
    bubbles = page.find_elements(By.CSS_SELECTOR, ".bubble.user p")
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


def test_a_phones_width_shows_everything(page: webdriver.Chrome) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        type_and_send(page, "/help")
        answers(page, 1)
        assert page.execute_script("return document.documentElement.scrollWidth") == 360
        send = page.find_element(By.CSS_SELECTOR, ".send").rect
        assert send["x"] + send["width"] <= 360
        assert send["y"] + send["height"] <= 640
        with Image.open(io.BytesIO(page.get_screenshot_as_png())) as picture:
            assert picture.size == (720, 1280)
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_button_and_field_has_a_name(page: webdriver.Chrome) -> None:
    for element in page.find_elements(By.CSS_SELECTOR, "button, input"):
        name = element.accessible_name if element.is_displayed() else "hidden"
        assert name, element.get_attribute("outerHTML")
