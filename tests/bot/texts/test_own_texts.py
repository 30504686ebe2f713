"""A bot's own texts: what a translator got wrong is told at the start, and what is taken can be sent."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import polib
import pytest
from PIL import Image

from bot.storage.sqlite.state import open_sqlite
from bot.telegram.usage import Statistics
from bot.texts.catalogues import TextsError
from bot.texts.limits import BUTTON, find_limit, measure
from bot.texts.replies import BARS, TEXTS, Replies
from tests.support.bot_process import RunBot, StartBot
from tests.support.chat import answer_to, kinds, press_button
from tests.support.models import write_color_model
from tests.support.paths import ROOT
from tests.support.photos import draw, draw_corner
from tests.support.telegram import TOKEN, Telegram, refuse_with

MASK = ROOT / "artifacts" / "mask-replies"
HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset={}\\n"\n"Plural-Forms: {}\\n"\n\n'
RULE = "nplurals=2; plural=(n != 1);"
ENTRY = 'msgctxt "{0}"\nmsgid "{1}"\nmsgstr "{2}"\n'
LABELS = [f"{number} ".ljust(BUTTON, "x") for number in range(21)]
"""As many and as long as a model may have."""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (HEAD.format("CHARSET", RULE), "its head says charset=CHARSET. Save the file as UTF-8"),
        (HEAD.format("ISO-8859-1", RULE), "its head says charset=ISO-8859-1."),
        (HEAD.format("UTF-8", "nplurals=2;"), "its head has no Plural-Forms such as nplurals=2; plural=(n != 1);"),
        (HEAD.format("UTF-8", "nplurals=INTEGER; plural=EXPRESSION;"), "invalid token in plural form: EXPRESSION"),
        ('msgid "a"\nmsgstr "b" "c"\n', "line 2: a text stands between two straight quotes"),
        ('msgid "a"\nmsgstr "Meow!\n', "line 2: a text stands between two straight quotes"),
        ('msgid "a"\nmsgstr Meow!\n', "line 2: a text stands between two straight quotes"),
        (
            'msgid "a"\nmsgstr \N{LEFT DOUBLE QUOTATION MARK}Meow!\N{RIGHT DOUBLE QUOTATION MARK}\n',
            "line 2: a text stands",
        ),
        ('msgid "a"\nmsgstr "Meow!\\"\n', "line 2: a text stands between two straight quotes"),
        ('msgid "a"\nmsgid_plural "as"\nmsgstr[0] "b"\nmsgstr[1] bs\n', "line 4: a text stands between"),
        ('  msgctxt "answer"\n  msgid "red"\n  msgstr "{lable}"\n', "line 3: {lable} cannot be filled in."),
        ('\tmsgctxt "answer"\n\tmsgid "red"\n\tmsgstr "{lable}"\n', "line 3: {lable} cannot be filled in."),
        (ENTRY.format("answer", "red", "  \\n"), "line 3: the text shows nothing."),
        (ENTRY.format("button", "why", "\u200b"), "line 3: the text shows nothing."),
        (ENTRY.format("label", "red", "x" * 2900), "line 3: the text has 2900 letters, 100 are the most here."),
        (ENTRY.format("button", "why", "x" * 101), "line 3: the text has 101 letters, 100 are the most here."),
        (ENTRY.format("why", "caption", "{label}" * 11), "line 3: the text has 1100 letters with the longest words"),
        (ENTRY.format("bot", "start", "{labels}" * 4), "line 3: the text has 4800 letters with the longest words"),
        (ENTRY.format("profile", "description", "x" * 513), "line 3: the text has 513 letters, 512 are the most"),
        (ENTRY.format("profile", "short-description", "x" * 121), "line 3: the text has 121 letters, 120 are the"),
        (ENTRY.format("command", "start", "x" * 257), "line 3: the text has 257 letters, 256 are the most here."),
        (ENTRY.format("verdict", "thanks", "x" * 201), "line 3: the text has 201 letters, 200 are the most here."),
        (b'msgid "a"\nmsgstr "\xe9"\n', "en.po is not UTF-8 text. Save it as UTF-8."),
        (None, "cannot be read: Is a directory"),
    ],
)
def test_a_slip_is_named_with_its_file(tmp_path: Path, content: str | bytes | None, told: str) -> None:
    file = tmp_path / "en.po"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TextsError) as caught:
        Replies(tmp_path)
    assert str(file) in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        HEAD.format("CHARSET", RULE),
        HEAD.format("UTF-8", "nplurals=2;"),
        ENTRY.format("answer", "red", "{lable}").replace("msg", "\tmsg"),
    ],
)
def test_a_slip_is_one_line_of_every_command(run_bot: RunBot, color_model: Path, tmp_path: Path, content: str) -> None:
    model = Path(shutil.copy(color_model, tmp_path / "colors.onnx"))
    file = tmp_path / "colors-replies" / "en.po"
    file.parent.mkdir()
    file.write_text(content)
    settings = {"BOT_TOKEN": TOKEN, "MODEL_PATH": str(model), "STATE_DIR": str(tmp_path / "state")}
    for command in ((), ("preview",)):
        done = run_bot(*command, **settings)
        (line,) = done.stderr.splitlines()
        assert (done.returncode, str(file) in line) == (2, True)
    done = run_bot("doctor", **settings, TELEGRAM_API_SERVER="http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("BAD  texts: ")]
    assert str(file) in line


def test_lines_may_be_indented_and_a_head_may_be_missing_or_in_any_case(tmp_path: Path) -> None:
    file = tmp_path / "en.po"
    head = HEAD.format("utf8", "nplurals = 2 ; plural = (n != 1)").replace("Content-Type", "content-type")
    for start in ("", head, "\ufeff"):
        file.write_text(f'{start}  msgctxt "answer"\n\tmsgid "red"\n  msgstr "R\N{LATIN SMALL LETTER E WITH ACUTE}d"\n')
        assert Replies(tmp_path).text("answer", "red", "en") == "R\N{LATIN SMALL LETTER E WITH ACUTE}d"


def test_the_line_of_a_slip_is_right_after_signs_that_end_lines_elsewhere(tmp_path: Path) -> None:
    odd = ENTRY.format("label", "red", "a\u2028b\x0bc\x85d")
    (tmp_path / "en.po").write_text(odd + ENTRY.format("answer", "red", "{lable}"))
    with pytest.raises(TextsError, match=r"en\.po, line 6: "):
        Replies(tmp_path)


def test_the_texts_that_come_along_are_within_the_limits() -> None:
    Replies(TEXTS)
    Replies(MASK)


def mutate(text: str, draw: random.Random) -> bytes:
    """A catalogue with a few slips: in lines, in letters, in bytes."""
    lines = text.split("\n")
    for _ in range(draw.randint(1, 4)):
        at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
        match draw.randrange(7):
            case 0:
                lines[at] = draw.choice(("  ", "\t", "#~ ", "#| ", '"')) + lines[at]
            case 1:
                lines[at], lines[other] = lines[other], lines[at]
            case 2:
                lines.insert(at, lines[other])
            case 3:
                lines[at] = ""
            case 4:
                cut = draw.randint(0, len(lines[at]))
                lines[at] = lines[at][:cut] + draw.choice(('"', "\\", "{", "}", ":", ";", "[9]", "\0", "=", "\u2028"))
            case 5:
                cut, end = sorted(draw.randint(0, len(lines[at])) for _ in range(2))
                lines[at] = lines[at][:cut] + lines[at][end:]
            case 6:
                lines[at] = lines[at] * 2
    data = bytearray("\n".join(lines).encode())
    if draw.random() < 0.2:
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


def test_whatever_is_in_a_file_it_is_taken_and_can_be_said_or_is_refused(tmp_path: Path) -> None:
    draw = random.Random(20261129)
    plural = (
        'msgctxt "bot"\nmsgid "album"\nmsgid_plural "album"\nmsgstr[0] "{count} photo"\nmsgstr[1] "{count} photos"\n'
    )
    start = ENTRY.format("bot", "start", "I know {labels}")
    text = (MASK / "en.po").read_text() + f"\n{start}\n{plural}"
    refused = 0
    for _ in range(300):
        (tmp_path / "en.po").write_bytes(mutate(text, draw))
        try:
            replies = Replies(tmp_path)
        except TextsError:
            refused += 1
        else:
            said = replies.greet(["with_mask", "without_mask"], "en"), replies.render_album(["a", "b"], "en")
            assert all(text.strip() for text in said)
    assert 50 < refused < 290


def write_longest(folder: Path) -> None:
    """A catalogue of which every text is as long as may be."""
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Plural-Forms": RULE}
    entries = [entry for entry in polib.pofile(str(TEXTS / "en.po")) if entry.msgctxt not in ("preview", "card")]
    entries += [polib.POEntry(msgctxt="answer", msgid=label, msgstr="{label}, {percent}") for label in LABELS[:1]]
    replies = Replies()
    for entry in entries:
        names = replies._find_placeholders(entry.msgctxt, entry.msgid)  # noqa: SLF001
        fields = "".join(f"{{{name}}}" for name in sorted(names or ()))
        text = fields + "y" * (find_limit(entry.msgctxt, entry.msgid) - measure(fields, names))
        if entry.msgstr_plural:
            entry.msgstr_plural = dict.fromkeys((0, 1), text)
        else:
            entry.msgstr = text
        catalogue.append(entry)
    folder.mkdir()
    catalogue.save(str(folder / "en.po"))


def test_texts_as_long_as_they_may_be_are_all_taken_by_telegram(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    model = write_color_model(tmp_path / "long.onnx", LABELS)
    write_longest(tmp_path / "long-replies")
    asyncio.run(count_every_class(tmp_path / "state"))
    start_bot(MODEL_PATH=str(model), OWNER_IDS="99", DONATIONS_DIR=str(tmp_path / "donations"))
    grey = Image.new("RGB", (300, 300), "gray")
    thumbnail = telegram.files.keep_photo(grey)[0]
    video = {"video": telegram.files.keep(b"") | {"width": 1, "height": 1, "duration": 1, "thumbnail": thumbnail}}
    asked = [telegram.send_text(f"/{word}", user=1) for word in ("start", "help", "privacy", "language", "donate", "x")]
    asked += [telegram.send_text("/stats", user=99)]
    replied = [telegram.send_text("/what", user=2), telegram.send(video, user=2), telegram.send_photo(grey, user=2)]
    replied += [telegram.send_document(b"?", "image/jpeg", "a.jpg", user=2)]
    red = telegram.send_photo(draw("red"), user=3)
    corner = telegram.send_photo(draw_corner("red", (640, 640)), user=3)
    replied += [red, corner]
    album = [
        telegram.send({"photo": telegram.files.keep_photo(grey), "media_group_id": "a"}, user=4) for _ in range(10)
    ]
    telegram.wait_until(lambda: {*replied} <= telegram.answers().keys() and telegram.unconfirmed == 0)
    assert answer_to(telegram, album[0])["text"].count("\n") == 12
    assert answer_to(telegram, replied[1])["text"].count("▓") > BARS
    press_button(telegram, corner, "why", user=3)
    press_button(telegram, red, "wrong", user=3)
    telegram.wait_until(lambda: "is" in kinds(answer_to(telegram, red)))
    press_button(telegram, red, "is", user=3)
    telegram.wait_until(lambda: any(method == "sendPhoto" for method, _ in telegram.calls))
    told = ("setMyCommands", "setMyDescription", "setMyShortDescription")
    telegram.wait_until(lambda: sum(method in told for method, _ in telegram.calls) == 3 * 12)
    telegram.wait_until(lambda: telegram.unconfirmed == 0)
    assert telegram.excesses == []
    assert len(telegram.sent) == len(asked) + len(replied) + 2  # the album, the explanation


async def count_every_class(folder: Path) -> None:
    """As if people had said of photos that they show each of the classes."""
    state = await open_sqlite(folder, int(TOKEN.partition(":")[0]))
    for label in LABELS:
        await Statistics(state.key_values).add_missed(label)
    await state.close()


def test_a_language_whose_texts_telegram_refuses_costs_the_others_nothing(
    telegram: Telegram, start_bot: StartBot, tmp_path: Path
) -> None:
    telegram.refusals.append(refuse_with("setMyDescription", 400, "Bad Request: description is too long", times=1))
    start_bot()
    methods = ("setMyCommands", "setMyDescription", "setMyShortDescription")
    telegram.wait_until(lambda: sum(method in methods for method, _ in telegram.calls) == 3 * 12)
    log = tmp_path / "bot.log"
    told = "Telegram does not take the bot's description for all other languages: Bad Request: description is too long"
    telegram.wait_until(lambda: told in log.read_text())
