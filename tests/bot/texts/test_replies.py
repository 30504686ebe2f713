"""The texts: complete in every language, right for every model."""

from __future__ import annotations

import re
from pathlib import Path

import polib
import pytest

from bot.inference.classifier import Prediction
from bot.inference.contract import UnsureBecause
from bot.inference.decoding import Reason
from bot.texts.catalogues import TextsError
from bot.texts.replies import COMMANDS, DONATING, TEXTS, Replies
from tests.support.paths import ROOT

MASK = ROOT / "artifacts" / "mask-replies"
LANGUAGES = ("en", "fr", "es", "pt", "de", "ru", "uk", "ar", "hi", "id", "zh")
CATALOGUES = {
    (folder.name, language): polib.pofile(str(folder / f"{language}.po"))
    for folder in (TEXTS, MASK)
    for language in LANGUAGES
}
LIMITS = {("profile", "description"): 512, ("profile", "short-description"): 120}
"""Characters (Bot API, setMyDescription, setMyShortDescription); of a command's description 256, of a toast 200."""
PLACEHOLDER = re.compile(r"\{\w*\}")


def keys(catalogue: polib.POFile) -> set[tuple[str, str]]:
    return {(entry.msgctxt, entry.msgid) for entry in catalogue}


def prediction(label: str, probability: float) -> Prediction:
    return Prediction(label, probability, {label: probability}, None, None)


def test_english_has_a_text_for_every_refusal_and_command() -> None:
    commands = {("command", name) for name in (*COMMANDS, *DONATING)}
    assert {("refusal", reason.value) for reason in Reason} | commands <= keys(CATALOGUES["texts", "en"])


@pytest.mark.parametrize(("folder", "language"), CATALOGUES)
def test_every_language_has_every_text_with_the_same_placeholders(folder: str, language: str) -> None:
    catalogue = CATALOGUES[folder, language]
    english = {(entry.msgctxt, entry.msgid): entry for entry in CATALOGUES[folder, "en"]}
    assert keys(catalogue) == english.keys()
    forms = int(catalogue.metadata["Plural-Forms"].partition("nplurals=")[2][0])
    for entry in catalogue:
        source = english[entry.msgctxt, entry.msgid]
        texts = entry.msgstr_plural or {0: entry.msgstr}
        assert not entry.msgstr_plural or len(texts) == forms, entry.msgid
        for text in texts.values():
            assert text.strip(), entry.msgid
            assert set(PLACEHOLDER.findall(text)) == set(
                PLACEHOLDER.findall(source.msgstr or source.msgstr_plural[0])
            ), entry.msgid
            assert len(text) <= LIMITS.get((entry.msgctxt, entry.msgid), 256 if entry.msgctxt == "command" else 4096)
            assert entry.msgctxt != "verdict" or len(text) <= 200


def test_no_language_is_there_in_part() -> None:
    for folder in (TEXTS, MASK):
        assert {file.stem for file in folder.glob("*.po")} == set(LANGUAGES)


@pytest.mark.parametrize(
    ("language", "number", "text"),
    [("ru", 1, "1 фото"), ("pt", 2, "2 fotos"), ("de", 2, "2 Fotos"), ("en", 1, "1 photo:"), ("zh", 3, "3")],
)
def test_counts_take_the_form_of_their_number(language: str, number: int, text: str) -> None:
    assert text in Replies().plural("bot", "album", number, language)


def test_the_mask_bot_says_what_its_tutorial_said() -> None:
    replies = Replies(MASK)
    assert "Don't forget it" in replies.render(prediction("with_mask", 0.987), "en")
    assert "98%" in replies.render(prediction("with_mask", 0.987), "en")
    assert "Please wear one" in replies.render(prediction("without_mask", 0.9), "en")
    assert "98\u00a0%" in replies.render(prediction("with_mask", 0.987), "fr")
    assert "mask" in replies.text("profile", "short-description", "en")


def test_a_bots_own_texts_are_said_in_its_languages_alone(tmp_path: Path) -> None:
    (tmp_path / "en.po").write_text('msgctxt "answer"\nmsgid "cat"\nmsgstr "Miaow, {percent}."\n')
    replies = Replies(tmp_path)
    assert replies.render(prediction("cat", 0.96), "en") == "Miaow, 96%."
    assert replies.render(prediction("cat", 0.96), "fr").startswith("Je vois : cat.")
    (tmp_path / "en.po").write_text("nonsense")
    with pytest.raises(TextsError, match=r"en\.po"):
        Replies(tmp_path)


@pytest.mark.parametrize("own", [False, True])
def test_an_answer_that_is_not_nearly_certain_shows_the_three_best_with_bars(tmp_path: Path, own: bool) -> None:
    if own:
        (tmp_path / "en.po").write_text('msgctxt "answer"\nmsgid "cat"\nmsgstr "Miaow!"\n')
    best = {"cat": 0.62, "dog": 0.3, "fire_engine": 0.05, "tree": 0.03}
    text = Replies(tmp_path).render(Prediction("cat", 0.62, best, None, None), "en")
    assert text.splitlines() == [
        "Miaow!" if own else "I see: cat. I am 62% sure.",
        "",
        "▓▓▓▓▓▓░░░░ 62% cat",
        "▓▓▓░░░░░░░ 30% dog",
        "░░░░░░░░░░ 5% fire engine",
    ]


def test_a_nearly_certain_answer_needs_no_bars() -> None:
    best = {"cat": 0.96, "dog": 0.04}
    assert Replies().render(Prediction("cat", 0.96, best, None, None), "en") == "I see: cat. I am 96% sure."


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_is_not_sure_says_why(language: str) -> None:
    best = {"dog": 0.25, "cat": 0.45, "tree": 0.3}
    close = Prediction("cat", 0.45, best, None, UnsureBecause.CLOSE)
    other = Prediction("cat", 0.45, best, 0.9, UnsureBecause.OUTSIDER)
    replies = Replies()
    for said in (replies.render(close, language).partition("\n\n")[0], replies.album_line(close, language)):
        assert said.index("cat") < said.index("tree")
        assert "dog" not in said
    assert all(label in replies.render(other, language) for label in best)
    assert "▓" not in replies.render(other, language)
    assert replies.album_line(other, language) != replies.album_line(close, language)


ENTRY = 'msgctxt "{0}"\nmsgid "{1}"\nmsgstr "{2}"\n'


@pytest.mark.parametrize(
    ("context", "key", "text"),
    [
        ("answer", "cat", "A {lable}"),
        ("answer", "cat", "{0.__class__}"),
        ("answer", "cat", "{label.__class__}"),
        ("answer", "cat", "{label[0]}"),
        ("answer", "cat", "{percent:>500000000}"),
        ("answer", "cat", "{percent:{label}}"),
        ("answer", "cat", "{percent!r}"),
        ("answer", "cat", "{}"),
        ("answer", "cat", "100 {percent"),
        ("answer", "cat", "100 percent}"),
        ("answer", "cat", "x" * 5000),
        ("bot", "start", "I know {percent}"),
        ("bot", "hint", "Send {label}"),
        ("bot", "percent", "{number:>500000000}"),
        ("bot", "album", "{count} photos of {names}"),
    ],
)
def test_an_own_text_that_cannot_be_filled_in_is_refused_with_file_and_line(
    tmp_path: Path, context: str, key: str, text: str
) -> None:
    good = ENTRY.format("label", "dog", "the {good} dog")
    (tmp_path / "en.po").write_text(f"# Ours.\n{good}\n# Odd.\n{ENTRY.format(context, key, text)}")
    with pytest.raises(TextsError, match=r"en\.po, line 9: "):
        Replies(tmp_path)


def test_every_plural_form_of_an_own_text_is_looked_at(tmp_path: Path) -> None:
    head = 'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
    forms = (
        'msgctxt "bot"\nmsgid "album"\nmsgid_plural "album"\nmsgstr[0] "{count} photo"\nmsgstr[1] "{cuont} photos"\n'
    )
    (tmp_path / "en.po").write_text(head + forms)
    with pytest.raises(TextsError, match=r"\{cuont\} cannot be filled in. This text may hold \{count\}"):
        Replies(tmp_path)


def test_a_rule_of_plurals_that_fails_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "en.po").write_text('msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=(10 % n);\\n"\n')
    with pytest.raises(TextsError, match=r"en\.po cannot be read"):
        Replies(tmp_path)


def test_a_label_without_a_text_of_its_own_gets_the_general_answer() -> None:
    assert Replies().render(prediction("fire_engine", 0.71), "en").startswith("I see: fire engine. I am 71% sure.")
    braces = "{odd} %s label"
    assert braces in Replies().render(prediction(braces, 0.71), "fr")


def test_no_answer_claims_to_be_certain() -> None:
    assert "99%" in Replies().render(prediction("cat", 1.0), "en")


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
