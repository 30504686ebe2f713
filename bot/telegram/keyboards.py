"""The buttons under an answer: what they say, and what a press of one brings back.

A press brings what the button was given, at most 64 bytes (Bot API, InlineKeyboardButton), and the message that it was
under. Each class below is one kind of button, its prefix what the data begins with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from aiogram.filters.callback_data import CallbackData
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from bot.texts.replies import Replies

CLASSES_A_PAGE = 8
DIGITS = 8
"""Hexadecimal ones of a digest."""


class Why(CallbackData, prefix="why"):
    """Show what spoke for the answer."""


class AboutAnswer(CallbackData, prefix="answer"):
    """A button that is about one answer: what it named, of which photo and among which classes."""

    index: int
    """The class that was named."""
    digest: str
    """Of the classes and the photo: see `make_digest`."""
    may_be_kept: bool
    """The photo was sent to the bot by its sender."""


class Right(AboutAnswer, prefix="right"):
    """The answer is right."""


class Wrong(AboutAnswer, prefix="wrong"):
    """The answer is wrong: ask for the class."""


class Page(AboutAnswer, prefix="page"):
    """Show other classes to choose from."""

    page: int


class Is(AboutAnswer, prefix="is"):
    """The photo shows another class."""

    chosen: int


class NoneOfThese(AboutAnswer, prefix="none"):
    """The photo shows none of the classes."""


def make_digest(labels: Sequence[str], file: str) -> str:
    """What changes with the classes and with the photo, whose `file_unique_id` is `file`."""
    return hashlib.sha256("\n".join([file, *labels]).encode()).hexdigest()[:DIGITS]


def answer_buttons(
    about: AboutAnswer | None, replies: Replies, language: str | None, explains: bool
) -> InlineKeyboardMarkup | None:
    """Under an answer: "Why?" where the model `explains`; right and wrong where somebody may judge, `about` it."""
    rows = why_buttons(replies, language, explains)
    if about:
        rows.append(
            [
                make_button(replies.text("button", "right", language), Right(**about.model_dump())),
                make_button(replies.text("button", "wrong", language), Wrong(**about.model_dump())),
            ]
        )
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None


def class_buttons(
    about: AboutAnswer, page: int, ranking: Sequence[int], names: Sequence[str], none: str
) -> list[list[InlineKeyboardButton]]:
    """One page of classes to choose from, by `ranking` (the likeliest first), and `none` of them below."""
    start = page * CLASSES_A_PAGE
    fields = about.model_dump(include=set(AboutAnswer.model_fields))
    rows = [
        [make_button(names[index], Is(chosen=index, **fields))] for index in ranking[start : start + CLASSES_A_PAGE]
    ]
    pages = -(-len(ranking) // CLASSES_A_PAGE)
    turns = [(page - 1, "◀"), (page + 1, f"{page + 1}/{pages} ▶")]
    turning = [make_button(text, Page(page=to, **fields)) for to, text in turns if 0 <= to < pages]
    if turning:
        rows.append(turning)
    rows.append([make_button(none, NoneOfThese(**fields))])
    return rows


def why_buttons(replies: Replies, language: str | None, explains: bool) -> list[list[InlineKeyboardButton]]:
    return [[make_button(replies.text("button", "why", language), Why())]] if explains else []


def make_button(text: str, data: CallbackData) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=text, callback_data=data.pack())
