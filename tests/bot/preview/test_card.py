"""The model's card in the page's language: what the shipped file's metadata say, and what other files may."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from bot.inference.contract import Contract
from bot.preview.card import Card, describe_card
from bot.texts.replies import Replies
from tests.support.chat import TEXTS, text
from tests.support.models import write_color_model
from tests.support.paths import ROOT
from tests.support.web.browser import locale
from tests.support.web.preview import CARD, start_preview

FIGURE = re.compile(r"\d+\.\d\d")


@pytest.fixture(scope="module")
def shipped() -> Contract:
    model = onnx.load(ROOT / "artifacts" / "mask.onnx")
    return Contract.from_metadata({entry.key: entry.value for entry in model.metadata_props})


def write_card(contract: Contract, language: str = "en") -> Card:
    card = describe_card("mask.onnx", contract, Replies(ROOT / "artifacts" / "mask-replies"), language)
    assert card
    return card


@pytest.mark.parametrize("language", TEXTS)
def test_in_every_language_the_figures_are_those_of_the_exported_card(shipped: Contract, language: str) -> None:
    card, whole = write_card(shipped, language), (ROOT / "artifacts" / "mask.md").read_text()
    assert f"**{card.headline}**" in card.markdown.split("\n\n")[1]
    assert set(FIGURE.findall(card.headline)) <= set(FIGURE.findall(whole.partition("\n## ")[0]))
    assert len(FIGURE.findall(card.markdown)) > 10
    assert set(FIGURE.findall(card.markdown)) <= set(FIGURE.findall(whole))
    assert not re.search(r"[{}]", card.markdown)
    headings = re.findall("^## (.*)", card.markdown, re.MULTILINE)
    assert text("card", "limits", language) in headings
    assert language == "en" or headings != re.findall("^## (.*)", write_card(shipped).markdown, re.MULTILINE)


def test_groups_that_nobody_knows_are_no_limits(shipped: Contract) -> None:
    metrics = json.loads(shipped.metrics)
    group = {"trait": "faces", "right": {"photos": 100, "share": 0.5, "interval": [0.4, 0.6]}}
    metrics["evaluation"]["groups"] = [group | {"value": "unknown"}, group | {"value": "2"}]
    markdown = write_card(replace(shipped, metrics=json.dumps(metrics))).markdown
    assert "`faces: 2`" in markdown
    assert "`faces: unknown`" not in markdown


def test_a_file_whose_sources_were_all_learned_from_says_that_nobody_knows_about_others(shipped: Contract) -> None:
    metrics = json.loads(shipped.metrics) | {"left_out": None}
    card = write_card(replace(shipped, metrics=json.dumps(metrics)))
    assert text("card", "unknown") in card.markdown
    assert "never saw" not in card.markdown
    assert FIGURE.search(card.headline)


@pytest.mark.parametrize("name", ["cats | dogs", "cats\n# dogs", "cats\u2069\u202edogs"])
def test_a_name_cannot_break_a_table(shipped: Contract, name: str) -> None:
    metrics = json.loads(shipped.metrics)
    scores = metrics["evaluation"]["scores"]
    metrics["evaluation"]["collections"] = {name: {"scores": scores}}
    markdown = write_card(replace(shipped, metrics=json.dumps(metrics))).markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {6}
    assert len([row for row in rows if "cats" in row and "dogs" in row]) == 1
    assert "\u202e" not in markdown


@pytest.mark.parametrize(
    "metrics",
    [
        *("", "null", "[]", "{}", "12", '"99 %"', '{"evaluation": 3}', "[" * 20_000),
        '{"precision": 8, "evaluation": {"scores": {"right": {"photos": "many", "share": 1}}}}',
        '{"precision": "int8", "evaluation": {"scores": {"right": {"photos": 5, "share": "most"}}}}',
    ],
)
def test_figures_that_are_not_known_make_no_card(shipped: Contract, metrics: str) -> None:
    assert describe_card("x.onnx", replace(shipped, metrics=metrics), Replies(), "en") is None


FIGURES = [
    ("evaluation", "scores", "right", "share"),
    ("evaluation", "scores", "right", "interval", 1),
    ("evaluation", "scores", "wrong_and_sure", "share"),
    ("evaluation", "scores", "unsure", "share"),
    ("evaluation", "neutral", "right", "share"),
    ("evaluation", "rejection", "pictures", "share"),
    ("evaluation", "scores", "right", "photos"),
    ("left_out", "collections", 0, "scores", "right", "share"),
    ("evaluation", "groups", 0, "right", "share"),
]


@pytest.mark.parametrize("place", FIGURES, ids=lambda place: "/".join(map(str, place)))
@pytest.mark.parametrize("figure", ["NaN", "-Infinity", "1e400", "-0.5", "9" * 400 + ".0", "-" + "9" * 400, "true"])
def test_a_figure_that_no_count_of_photos_gives_makes_no_card(
    shipped: Contract, place: tuple[str | int, ...], figure: str
) -> None:
    metrics = json.loads(shipped.metrics)
    metrics["evaluation"]["groups"] = [{"trait": "x", "value": "y", "right": {"photos": 50, "share": 0.5}}]
    inner, (*path, last) = metrics, place
    for key in path:
        inner = inner[list(inner)[key] if isinstance(key, int) and isinstance(inner, dict) else key]
    inner[last] = "HERE"
    text = json.dumps(metrics).replace('"HERE"', figure)
    assert describe_card("x.onnx", replace(shipped, metrics=text), Replies(), "en") is None


def test_the_page_shows_the_card_in_its_language_and_the_whole_one_below(
    chromium: webdriver.Chrome, shipped: Contract, tmp_path: Path
) -> None:
    model = write_color_model(tmp_path / "colors.onnx", metadata={"metrics": shipped.metrics})
    model.with_suffix(".md").write_text(CARD)
    (tmp_path / "home").mkdir()
    with start_preview(model, tmp_path / "home") as preview, locale(chromium, preview, "de"):
        headline = preview.get("/about?language=de")["model"]["headline"]
        assert chromium.find_element(By.ID, "headline").get_property("textContent") == headline
        chromium.find_element(By.ID, "about").click()
        short, details = chromium.find_elements(By.CSS_SELECTOR, "#card [tabindex] > *")
        assert short.find_element(By.TAG_NAME, "strong").get_property("textContent") == headline
        assert text("card", "limits", "de") in short.text
        whole = details.find_element(By.TAG_NAME, "h2")
        assert not whole.is_displayed()
        details.find_element(By.TAG_NAME, "summary").click()
        WebDriverWait(chromium, 30).until(lambda _: whole.is_displayed())
        assert details.find_element(By.TAG_NAME, "div").get_attribute("lang") == "en"
