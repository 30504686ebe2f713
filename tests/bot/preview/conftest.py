"""A preview, and its page in Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.support.photos import COLORS, draw
from tests.support.web.browser import (
    open_page,
)
from tests.support.web.preview import CARD, Preview, start_preview

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


@pytest.fixture(scope="package")
def preview(color_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preview]:
    model = Path(shutil.copy(color_model, tmp_path_factory.mktemp("carded")))
    model.with_suffix(".md").write_text(CARD)
    examples = model.with_name(f"{model.stem}-examples")
    examples.mkdir()
    for number, color in enumerate(COLORS):
        draw(color).save(examples / f"{number}-{color}.png")
    draw("red").save(examples / "9-one-too-many.png")
    with start_preview(model, tmp_path_factory.mktemp("home")) as preview:
        yield preview


@pytest.fixture(scope="package")
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
    open_page(chromium, preview)
    yield chromium
    entries = chromium.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in entries if entry["level"] == "SEVERE"] == []


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """A file of each of COLORS."""
    paths = [tmp_path / f"{color}.jpg" for color in COLORS]
    for path in paths:
        draw(path.stem).save(path)
    return list(map(str, paths))
