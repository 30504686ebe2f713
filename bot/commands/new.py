"""Sets up what a bot of your own needs beside its model: texts to fill in, and its settings.

python -m bot new artifacts/NAME --data DIR     the classes are those of DIR's folders
python -m bot new artifacts/NAME                the classes are those of artifacts/NAME.onnx

It writes NAME-replies/en.po and NAME.env, and leaves files alone that are there.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import polib

from bot.errors import LabelgramError, describe_os_error
from bot.inference.class_folders import (
    TEST,
    TRAIN,
    VALID,
    FoldersError,
    Place,
    find_empty_folders,
    find_few,
    find_one_sided,
    find_reserved,
    find_too_many,
    place_files,
)
from bot.inference.contract import find_fault
from bot.inference.names import clean_label, is_folder, lies_in, show_path
from bot.inference.photo_files import find_photos
from bot.settings.settings import Settings
from bot.whole_files import name_whole, write_beside

HEAD = {
    "Language": "en",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=2; plural=(n != 1);",
}
ENVIRONMENT = """\
# Settings of this bot; docs/configuration.md has all. The bot reads this file if LABELGRAM_ENV_FILE names it.
BOT_TOKEN=
MODEL_PATH={model}
# Your number on Telegram (@userinfobot tells it), for /stats:
# OWNER_IDS=
"""
OWN = 0o600
"""Mode of the settings' file, which will hold the token."""


class NewError(LabelgramError):
    """It cannot be set up; the message says why."""


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Raises NewError."""
    if options.data and lies_in(options.name.parent, options.data):
        raise NewError(
            f"{show_path(options.name)} lies in --data {show_path(options.data)}: the texts' folder would be a class. "
            "Name a place outside of it, such as artifacts/NAME."
        )
    model = options.name.with_name(f"{options.name.name}.onnx")
    labels = _find_classes(options.data, options.class_folder) if options.data else _read_labels(model)
    texts = options.name.with_name(f"{options.name.name}-replies") / "en.po"
    environment = options.name.with_name(f"{options.name.name}.env")
    contents = {
        texts: str(make_texts(labels)).encode(),
        environment: ENVIRONMENT.format(model=_quote(model)).encode(),
    }
    texts.parent.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        if os.path.lexists(file):
            print(f"{show_path(file)} is there already, and stays as it is")
        else:
            _write_new(file, content, only_owner=file == environment)
            print(f"wrote {show_path(file)}")
    print(
        f"Next: fill in {show_path(texts)}; then make train, make export and make run, "
        f"or python -m bot with {show_path(environment)}."
    )
    return 0


def make_texts(labels: list[str]) -> polib.POFile:
    """A catalogue with the name and the answer of each class, and the bot's profile."""
    catalogue = polib.POFile()
    catalogue.header = (
        "What this bot alone says. Words in {braces} are filled in by the bot. What you delete is said generally."
    )
    catalogue.metadata = HEAD
    for label in labels:
        name = label.replace("_", " ")
        catalogue.append(polib.POEntry(msgctxt="label", msgid=label, msgstr=name))
        answer = f"This is {name.replace('{', '{{').replace('}', '}}')}, I am {{percent}} sure."
        catalogue.append(polib.POEntry(msgctxt="answer", msgid=label, msgstr=answer))
    told = re.sub("[{}]", "", ", ".join(labels))[:80]  # braces in a profile are refused: nothing fills them in there
    for key, text in (
        ("description", "Send me a photo and I will tell you what I see. I keep none of it."),
        ("short-description", f"I tell {told} apart."),
    ):
        catalogue.append(polib.POEntry(msgctxt="profile", msgid=key, msgstr=text))
    return catalogue


def _write_new(file: Path, content: bytes, only_owner: bool) -> None:
    """Whole or not at all: what is there is left alone by the next run. Raises OSError that names the file."""
    try:
        with write_beside(file, content) as part:
            if only_owner:
                part.chmod(OWN)
            name_whole(part, file)
    except OSError as error:
        error.filename = str(file)
        raise


def _find_classes(data: Path, class_folder: str) -> list[str]:
    """The classes that training will find there; while no folder holds a photo, one for each. Raises NewError.

    Prints which photos training will miss: they can still be added.
    """
    if not is_folder(data):
        raise NewError(f"{show_path(data)} is not a folder. --data names the folder of photos.")
    try:
        files = find_photos(data)
        places = [place for place in place_files(data, files, class_folder).values() if place.side != TEST]
        empty = {clean_label(folder.name) for folder in find_empty_folders(data, files)}
    except FoldersError as error:
        raise NewError(str(error)) from error
    except OSError as error:
        raise NewError(describe_os_error(error)) from error
    filled = {place.label for place in places}
    if filled and (missing := sorted(empty - filled)):
        raise NewError(f"no photo is in {show_path(', '.join(missing))}. Put photos there or remove the folder.")
    labels = sorted(filled or empty)
    for label in labels:
        if reason := find_fault(label):
            raise NewError(f"the folder {show_path(label)} cannot name a class: the name {reason}. Rename the folder.")
    if trouble := find_too_many(labels) or find_reserved(labels):
        raise NewError(trouble)
    if len(labels) < 2:
        raise NewError(f"{show_path(data)} holds {len(labels)} folders; it takes one for each of two or more classes")
    for gap in _find_gaps(places):
        print(f"before you train: {show_path(gap)}")
    return labels


def _find_gaps(places: Collection[Place]) -> list[str]:
    """Where photos are missing, a sentence each. `places` are those of the photos that training takes."""
    sides = {side: {place.label for place in places if place.side == side} for side in (TRAIN, VALID)}
    gaps = (find_few(Counter(place.label for place in places)), find_one_sided(sides) if sides[VALID] else None)
    return [gap for gap in gaps if gap]


def _quote(model: Path) -> str:
    """As the settings' file takes a path, and a shell too where it can. Raises NewError."""
    text = str(model)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NewError(f"the name {show_path(model.with_suffix(''))} is not UTF-8 text. Give another one.") from error
    if len(text.splitlines()) > 1:
        raise NewError(f"the name {show_path(model.with_suffix(''))} has a line break. Give another one.")
    return f'"{text}"' if "'" in text else shlex.quote(text)


def _read_labels(model: Path) -> list[str]:
    from bot.inference.classifier import Classifier
    from bot.inference.contract import ModelError

    try:
        return list(Classifier(model, threads=1).contract.labels)
    except ModelError as error:
        raise NewError(f"{error} Or name a folder of photos: --data DIR.") from error
