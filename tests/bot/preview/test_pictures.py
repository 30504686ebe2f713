"""The pictures in the README: the shipped model in the preview, taken in Chromium."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from bot.inference.classifier import Classifier
from tests.support.paths import ROOT
from tests.support.web.browser import answers, choose, count_shown, open_page, phone, theme
from tests.support.web.preview import start_preview

PICTURES = os.environ.get("LABELGRAM_PICTURES")
"""Where the README's pictures are written: `docs`. Without it they are taken, and not kept."""
PORTRAITS = sorted(ROOT.glob(".venv/train/lib/*/site-packages/skimage/data/astronaut.png"))
"""Eileen Collins, by NASA, in the public domain; from the environment that `make test` makes for the training."""


MODEL = ROOT / "artifacts" / "mask.onnx"
EXAMPLES = sorted((ROOT / "artifacts" / "mask-examples").glob("*.jpg"))
"""A bare face, the same with a mask, and a picture of something else."""
LOOKS_MS = 2500
"""How long each state of the chat is shown."""


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


def test_the_moving_picture_shows_a_chat(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    """Of the shipped model and its examples. `LABELGRAM_PICTURES=docs` writes it there."""
    home = tmp_path / "home"
    home.mkdir()
    frames: list[Image.Image] = []

    def take() -> None:
        chromium.execute_script("document.activeElement.blur()")
        picture = Image.open(io.BytesIO(chromium.get_screenshot_as_png())).convert("RGB")
        frames.append(picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS))

    def is_still() -> bool:
        still = "return document.getAnimations().every((animation) => animation.playState === 'finished')"
        return bool(chromium.execute_script(still))

    with start_preview(MODEL, home) as preview, theme(chromium, "light"), phone(chromium, 420, 720):
        open_page(chromium, preview)
        WebDriverWait(chromium, 30).until(lambda _: count_shown(chromium, "#examples img") == len(EXAMPLES))
        take()
        bare, masked, other = map(str, EXAMPLES)
        for count, photo in ((1, bare), (2, masked), (3, None), (4, other)):
            if photo:
                choose(chromium, photo)
            else:  # "Why?" of the last answer
                chromium.find_elements(By.CSS_SELECTOR, ".keyboard")[-1].find_element(By.TAG_NAME, "button").click()
            answers(chromium, count)
            WebDriverWait(chromium, 30).until(lambda _: is_still())
            take()
    file = (Path(PICTURES) if PICTURES else tmp_path) / "chat.webp"
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=LOOKS_MS, loop=0, quality=80, method=6)
    with Image.open(file) as moving:
        assert getattr(moving, "n_frames") == len(EXAMPLES) + 2  # noqa: B009  # Pillow's types do not know it
    assert file.stat().st_size < 1_000_000
