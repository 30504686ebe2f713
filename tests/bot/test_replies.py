"""The texts: complete in every language, right for every model."""

from __future__ import annotations

import re

import polib
import pytest

from bot.classifier import Prediction
from bot.photo import Reason
from bot.replies import COMMANDS, TEXTS, Replies

CATALOGUES = {file.stem: polib.pofile(str(file)) for file in TEXTS.glob("*.po")}
PLACEHOLDER = re.compile(r"\{\w*\}")


def keys(catalogue: polib.POFile) -> set[tuple[str, str]]:
    return {(entry.msgctxt, entry.msgid) for entry in catalogue}


def prediction(label: str, probability: float, unsure: bool = False) -> Prediction:
    return Prediction(label, probability, {label: probability}, None, unsure)


def test_english_has_a_text_for_every_refusal_and_command() -> None:
    assert {("refusal", reason.value) for reason in Reason} | {("command", name) for name in COMMANDS} <= keys(
        CATALOGUES["en"]
    )


@pytest.mark.parametrize("language", CATALOGUES)
def test_every_language_has_every_text_with_the_same_placeholders(language: str) -> None:
    assert keys(CATALOGUES[language]) == keys(CATALOGUES["en"])
    english = {(entry.msgctxt, entry.msgid): entry for entry in CATALOGUES["en"]}
    for entry in CATALOGUES[language]:
        source = english[entry.msgctxt, entry.msgid]
        for text in (entry.msgstr_plural or {0: entry.msgstr}).values():
            assert text, entry.msgid
            assert set(PLACEHOLDER.findall(text)) == set(
                PLACEHOLDER.findall(source.msgstr or source.msgstr_plural[0])
            ), entry.msgid


def test_the_mask_bot_says_what_its_tutorial_said() -> None:
    replies = Replies()
    assert "Don't forget it" in replies.render(prediction("with_mask", 0.987), "en")
    assert "98%" in replies.render(prediction("with_mask", 0.987), "en")
    assert "Please wear one" in replies.render(prediction("without_mask", 0.9), "en")
    assert "98 %" in replies.render(prediction("with_mask", 0.987), "fr")


def test_a_label_without_a_text_of_its_own_gets_the_general_answer() -> None:
    assert Replies().render(prediction("fire_engine", 0.71), "en") == "I see: fire engine. I am 71% sure."
    braces = "{odd} %s label"
    assert braces in Replies().render(prediction(braces, 0.71), "fr")


def test_no_answer_claims_to_be_certain() -> None:
    assert "99%" in Replies().render(prediction("cat", 1.0), "en")


def test_an_unsure_answer_names_no_label() -> None:
    assert "cat" not in Replies().render(prediction("cat", 0.4, unsure=True), "en")


@pytest.mark.parametrize(
    ("tag", "greeting"), [("fr", "Bonjour"), ("FR-be", "Bonjour"), ("xx", "Hello"), (None, "Hello")]
)
def test_a_language_tag_finds_its_language_else_english(tag: str | None, greeting: str) -> None:
    assert Replies().greet(["a", "b"], tag).startswith(greeting)


def test_a_greeting_names_ten_classes_and_counts_the_rest() -> None:
    labels = [f"class {number}" for number in range(200)]
    assert "class 9 and 190 more" in Replies().greet(labels, "en")
    assert "class 10," not in Replies().greet(labels, "en")
    assert "class 9 et 1 autre." in Replies().greet(labels[:11], "fr")
