"""Files made to confuse the decoder or to do harm: each gets the right label or a reason, and the bot goes on."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageOps

from bot.inference.classifier import Classifier
from bot.inference.decoding import PhotoError, Reason, estimate_memory, read
from tests.stress.fuzz.mutate import build_corpus, mutate
from tests.stress.fuzz.process import Decoder
from tests.support.paths import ROOT
from tests.support.photos import COLORS, animate, bmp, chunk, draw, encode, png

RED = bytes(COLORS["red"])
MAX_MEMORY = 180
"""Megabytes that one file may take at the peak: the bot takes 115 without, and at most 300 in all."""

Make = Callable[[], bytes]
PARAMETERS = pytest.mark.parametrize


@pytest.fixture(scope="module")
def classifier(color_model: Path) -> Classifier:
    return Classifier(color_model, threads=1)


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    """A process of the bot's interpreter that has decoded a photo in each format."""
    decoder = Decoder()
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
        assert decoder(encode(draw(), form)).outcome == "red"
    yield decoder
    decoder.close()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("blue.png", encode(draw("blue"), "PNG"))
    return buffer.getvalue()


def with_segment(marker: int, payload: bytes, photo: bytes) -> bytes:
    """The JPEG `photo` with one more segment, first of all."""
    return photo[:2] + struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload + photo[2:]


def with_frame(marker: bytes, frame: bytes) -> bytes:
    """A grey JPEG of 64 x 64 pixels that says of itself that it is of another kind (ITU T.81, B.2.2)."""
    photo = encode(Image.new("L", (64, 64)))
    at = photo.index(b"\xff\xc0")
    end = at + 2 + int.from_bytes(photo[at + 2 : at + 4], "big")
    return photo[:at] + marker + struct.pack(">H", len(frame) + 2) + frame + photo[end:]


VIDEO = b"\0\0\0\x18ftypmp42" + Random(1).randbytes(4_000_000)

READABLE: dict[str, Make] = {
    "one pixel, JPEG": lambda: encode(draw(size=(1, 1))),
    "one pixel, PNG": lambda: encode(draw(size=(1, 1)), "PNG"),
    "one pixel, WebP": lambda: encode(draw(size=(1, 1)), "WEBP"),
    "one pixel, GIF": lambda: encode(draw(size=(1, 1)), "GIF"),
    "one pixel, BMP": lambda: encode(draw(size=(1, 1)), "BMP"),
    "one row": lambda: png((65_535, 1)),
    "one column": lambda: png((1, 65_535)),
    "progressive JPEG": lambda: encode(draw(), progressive=True),
    "CMYK JPEG with Adobe's marker": lambda: encode(draw().convert("CMYK")),
    "JPEG without a JFIF header": lambda: re.sub(rb"(?s)^(..)\xff\xe0.{16}", rb"\1", encode(draw())),
    "16-bit PNG": lambda: png((40, 30), bytes(value for value in RED for _ in range(2)), depth=16),
    "interlaced PNG": lambda: png((61, 43), interlaced=True),
    "interlaced PNG with alpha": lambda: png((61, 43), RED + b"\xff", kind=6, interlaced=True),
    "palette PNG": lambda: png((40, 30), b"\1", kind=3, before=chunk(b"PLTE", b"\0\0\xff" + RED)),
    "half transparent palette PNG": lambda: png(
        (40, 30), b"\1", kind=3, before=chunk(b"PLTE", b"\0\0\xff" + RED) + chunk(b"tRNS", b"\0\x80")
    ),
    "half transparent PNG": lambda: png((40, 30), RED + b"\x80", kind=6),
    "half transparent WebP": lambda: encode(Image.new("RGBA", (40, 30), (220, 30, 30, 128)), "WEBP", lossless=True),
    "animated PNG": lambda: animate("PNG"),
    "animated PNG with a picture beside the animation": lambda: animate("PNG", default_image=True),
    "animated WebP": lambda: animate("WEBP"),
    "animated GIF": lambda: animate("GIF", disposal=2),
    "run-length encoded BMP": lambda: bmp((50, 40), b"\x32\0\0\0" * 40 + b"\0\1"),
    "two photos in one file, MPO": lambda: encode(draw(), "MPO", save_all=True, append_images=[draw("blue")]),
    "JPEG with HTML after it": lambda: encode(draw()) + b"<html><script>alert(1)</script></html>",
    "JPEG with HTML in it": lambda: encode(draw(), comment=b"<html><script>alert(1)</script></html>"),
    "JPEG and ZIP": lambda: encode(draw()) + zipped(),
    "motion photo: a JPEG and 4 MB of video": lambda: encode(draw()) + VIDEO,
    "motion photo, progressive": lambda: encode(draw(), progressive=True) + VIDEO,
    "motion photo with two photos": lambda: encode(draw(), "MPO", save_all=True, append_images=[draw("blue")]) + VIDEO,
    "JPEG with a profile full of markers": lambda: encode(draw(), icc_profile=b"\xff\xda\xff\xd9" * 50_000),
    "JPEG with EXIF full of markers": lambda: with_segment(0xE1, b"Exif\0\0" + b"\xff\xda" * 20_000, encode(draw())),
    "JPEG with restarts and filled markers": lambda: encode(draw(), restart_marker_rows=1).replace(
        b"\xff\xda", b"\xff\xff\xff\xda"
    ),
    "PNG with names of chunks behind its end": lambda: png((40, 30)) + b"iTXtzTXtiCCP" * 1000,
    "GIF and ZIP": lambda: encode(draw(), "GIF") + zipped(),
    "PNG and ZIP": lambda: encode(draw(), "PNG") + zipped(),
    "JPEG with a PNG after it": lambda: encode(draw()) + encode(draw("blue"), "PNG"),
    "JPEG with garbage for EXIF": lambda: with_segment(0xE1, b"Exif\0\0garbage", encode(draw())),
    "JPEG with an empty EXIF": lambda: with_segment(0xE1, b"Exif\0\0", encode(draw())),
    "JPEG with an orientation that is none": lambda: encode(draw(), exif=exif(77)),
    "PNG with garbage for EXIF": lambda: png((40, 30), before=chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff")),
    "JPEG with garbage for a colour profile": lambda: encode(draw(), icc_profile=b"garbage" * 20_000),
    "PNG with garbage for a colour profile": lambda: png((40, 30), before=chunk(b"iCCP", b"a\0\0garbage")),
}
"""Red in each case."""


def damage_checksum() -> bytes:
    photo = encode(draw(), "PNG")
    at = photo.index(b"IDAT") + 10
    return photo[:at] + bytes([photo[at] ^ 1]) + photo[at + 1 :]


REFUSED: dict[str, tuple[Reason, Make]] = {
    "nothing": (Reason.UNREADABLE, lambda: b""),
    "one byte": (Reason.UNREADABLE, lambda: b"\xff"),
    "text": (Reason.UNREADABLE, lambda: b"I am a photo, says my name.\n" * 100),
    "SVG": (Reason.UNREADABLE, lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'),
    "EPS, which starts Ghostscript": (Reason.UNREADABLE, lambda: encode(draw(), "EPS")),
    "TIFF": (Reason.UNREADABLE, lambda: encode(draw(), "TIFF")),
    "ICO": (Reason.UNREADABLE, lambda: encode(draw(), "ICO")),
    "JPEG 2000": (Reason.UNREADABLE, lambda: encode(draw(), "JPEG2000")),
    "AVIF": (Reason.UNREADABLE, lambda: encode(draw(), "AVIF")),
    "ZIP": (Reason.UNREADABLE, zipped),
    "PDF with a JPEG after its header": (Reason.UNREADABLE, lambda: b"%PDF-1.7\n" + encode(draw())),
    "JPEG's first bytes alone": (Reason.UNREADABLE, lambda: b"\xff\xd8\xff"),
    "PNG's first bytes alone": (Reason.UNREADABLE, lambda: b"\x89PNG\r\n\x1a\n"),
    "PNG with a wrong checksum": (Reason.DAMAGED, damage_checksum),
    "PNG with a wrong checksum in its header": (
        Reason.DAMAGED,
        lambda: png((40, 30)).replace(b"\2\0\0\0", b"\2\0\0\1", 1),
    ),
    "PNG that ends after its header": (Reason.DAMAGED, lambda: png((40, 30))[:33]),
    "JPEG that ends before its frame": (Reason.DAMAGED, lambda: encode(draw())[: encode(draw()).index(b"\xff\xc0")]),
    "JPEG that is not wide": (Reason.DAMAGED, lambda: with_frame(b"\xff\xc0", b"\x08\0\x40\0\0\1\1\x11\0")),
    "GIF that ends in its header": (Reason.DAMAGED, lambda: encode(draw(), "GIF")[:12]),
    "JPEG with 12 bits": (Reason.UNSUPPORTED, lambda: with_frame(b"\xff\xc1", b"\x0c\0\x40\0\x40\1\1\x11\0")),
    "JPEG with 12 bits, progressive": (
        Reason.UNSUPPORTED,
        lambda: with_frame(b"\xff\xc2", b"\x0c\0\x40\0\x40\1\1\x11\0"),
    ),
    "JPEG with 12 bits, without its end": (
        Reason.UNSUPPORTED,
        lambda: with_frame(b"\xff\xc1", b"\x0c\0\x40\0\x40\1\1\x11\0")[:-2],
    ),
    "JPEG whose height comes behind its scan": (
        Reason.UNSUPPORTED,
        lambda: with_frame(b"\xff\xc0", b"\x08\0\0\0\x40\1\1\x11\0"),
    ),
    "JPEG with two channels": (
        Reason.UNSUPPORTED,
        lambda: with_frame(b"\xff\xc0", b"\x08\0\x40\0\x40\2\1\x11\0\2\x11\0"),
    ),
    "JPEG with five channels": (
        Reason.UNSUPPORTED,
        lambda: with_frame(b"\xff\xc0", b"\x08\0\x40\0\x40\5" + b"".join(b"%c\x11\0" % n for n in range(5))),
    ),
    "lossless JPEG": (Reason.UNSUPPORTED, lambda: with_frame(b"\xff\xc3", b"\x08\0\x40\0\x40\1\1\x11\0")),
    "hierarchical JPEG": (Reason.UNSUPPORTED, lambda: with_frame(b"\xff\xc5", b"\x08\0\x40\0\x40\1\1\x11\0")),
    "JPEG-LS": (Reason.UNSUPPORTED, lambda: with_frame(b"\xff\xf7", b"\x08\0\x40\0\x40\1\1\x11\0")),
    "BMP with a JPEG in it": (Reason.UNSUPPORTED, lambda: bmp((50, 40), encode(draw()), compression=4)),
    "BMP with 2 bits a pixel": (Reason.UNSUPPORTED, lambda: bmp((50, 40), bytes(520), depth=2, compression=0)),
    "BMP that ends after its header": (Reason.DAMAGED, lambda: encode(draw(), "BMP")[:60]),
    "text unpacked to 2 MB": (
        Reason.DAMAGED,
        lambda: png((40, 30), before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2_000_000)))),
    ),
    "text unpacked to 2 MB, after the picture": (
        Reason.DAMAGED,
        lambda: png((40, 30), after=chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(2_000_000)))),
    ),
    "GIF frame larger than its screen": (
        Reason.TOO_MANY_PIXELS,
        lambda: re.sub(b"(?s),\0\0\0\0.{4}", b",\0\0\0\0\xff\x7f\xff\x7f", encode(draw(), "GIF"), count=1),
    ),
}


def scans(count: int) -> bytes:
    """A progressive JPEG of 40 million pixels whose last scan comes `count` times: 65 bytes, 26 ms to decode."""
    photo = encode(draw(size=(8000, 5000)), progressive=True)
    return photo[:-2] + photo[photo.rindex(b"\xff\xda") : -2] * count + photo[-2:]


def hidden_scans(count: int) -> bytes:
    """Scans of 12 bytes behind FF and a reserved number: a decoder that waits for a restart passes over these two."""
    photo = encode(draw(), progressive=True, restart_marker_rows=1)
    scan = photo[photo.rindex(b"\xff\xda") :][:10]
    hidden = (scan + b"\xff\xd0") * count
    return photo[:-2] + scan + b"\xff\x02" + struct.pack(">H", len(hidden) + 2) + hidden + photo[-2:]


def filled(count: int) -> bytes:
    """A JPEG whose scan goes on after so many FF, which a decoder skips."""
    photo = encode(draw())
    at = photo.index(b"\xff\xda") + 20
    return photo[:at] + b"\xff" * count + photo[at:]


def webp(chunks: int) -> bytes:
    photo = encode(draw(size=(9, 9)), "WEBP", exif=exif(1)) + b"abcd\0\0\0\0" * chunks
    return photo[:4] + struct.pack("<I", len(photo) - 8) + photo[8:]


def gif(comments: int) -> bytes:
    photo = encode(draw(size=(9, 9)), "GIF")
    at = photo.index(b",\0\0\0\0\x09\0\x09\0")
    return photo[:at] + b"!\xfe" + b"\2ab" * comments + b"\0" + photo[at:]


def plain(mode: str, size: tuple[int, int]) -> Image.Image:
    return Image.new(mode, size, {"RGB": COLORS["red"], "RGBA": (*COLORS["red"], 128)}.get(mode, 0))


def gif_with_frame(page: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """A GIF whose first frame is smaller than its page."""
    photo = encode(Image.new("P", frame), "GIF")
    return photo[:6] + struct.pack("<HH", *page) + photo[10:]


WIDE_TEXT = b"\0\1\0\0\0" + zlib.compress("\U0001f600".encode() + b"a" * 1_000_000)  # Python: 4 bytes a character
PROFILE = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000)))
RED_16 = bytes(value for value in RED for _ in range(2))

BOMBS: dict[str, tuple[str, Make]] = {
    "12 megapixels, transparent WebP": (
        "red",
        lambda: encode(plain("RGBA", (4000, 3000)), "WEBP", lossless=True, method=0),
    ),
    "24 megapixels, RGBA": ("red", lambda: png((6000, 4000), RED + b"\x80", kind=6)),
    "24 megapixels, 16 bits": ("red", lambda: png((6000, 4000), RED_16, depth=16)),
    "24 megapixels, interlaced": ("red", lambda: png((6000, 4000), interlaced=True)),
    "24 megapixels, RGBA, with 12 texts of 4 MB": (
        "red",
        lambda: png((6000, 4000), RED + b"\x80", kind=6, before=texts(12)),
    ),
    "25 megapixels in 381 rows, RGBA": ("red", lambda: png((65_535, 381), RED + b"\x80", kind=6)),
    "18 megapixels in 282 rows, progressive CMYK": (
        "too-many-pixels",
        lambda: encode(plain("RGB", (65_500, 282)).convert("CMYK"), progressive=True),
    ),
    "40 megapixels, progressive JPEG": ("red", lambda: encode(plain("RGB", (8000, 5000)), progressive=True)),
    "50 megapixels, JPEG turned by EXIF": ("red", lambda: encode(plain("RGB", (8160, 6120)), exif=exif(6))),
    "40 megapixels, progressive CMYK": (
        "too-many-pixels",
        lambda: encode(plain("CMYK", (8000, 5000)), progressive=True),
    ),
    "31 megapixels in 479 rows, JPEG": ("too-many-pixels", lambda: encode(plain("RGB", (65_500, 479)))),
    "40 megapixels, RGBA": ("too-many-pixels", lambda: png((8000, 5000), RED + b"\xff", kind=6)),
    "40 megapixels, WebP": (
        "too-many-pixels",
        lambda: encode(plain("RGB", (8000, 5000)), "WEBP", lossless=True, method=0),
    ),
    "40 megapixels, GIF": ("too-many-pixels", lambda: encode(plain("P", (8000, 5000)), "GIF")),
    "25 megapixels, BMP of 11 kB": ("too-many-pixels", lambda: bmp((5000, 5000), b"\0\0" * 5000 + b"\0\1")),
    "400 megapixels, PNG of 400 kB": ("too-many-pixels", lambda: png((20_000, 20_000), b"\xff", kind=0)),
    "one row of 25 million": ("too-many-pixels", lambda: png((25_000_000, 1), b"\xff", kind=0)),
    "one column of 25 million": ("too-many-pixels", lambda: png((1, 25_000_000), b"\xff", kind=0)),
    # Of these, 20 MB took 270 MB of memory (texts), 20 s (profiles), minutes (tiny parts) and hours (scans).
    "70 texts of 4 MB": ("damaged", lambda: png((40, 30), before=texts(70))),
    "1,000 profiles of 1 MB": ("damaged", lambda: png((40, 30), before=PROFILE * 1000)),
    "PNG of a million chunks": ("damaged", lambda: png((40, 30), before=chunk(b"aaAa", b"") * 1_000_000)),
    "PNG of a million pieces": ("damaged", lambda: png((40, 30), before=chunk(b"IDAT", b"") * 1_000_000)),
    "JPEG of a million segments": (
        "damaged",
        lambda: encode(draw())[:2] + b"\xff\xe3\0\2" * 1_000_000 + encode(draw())[2:],
    ),
    "JPEG of 100 scans": ("damaged", lambda: scans(100)),
    "JPEG of 100 scans that look like a segment": ("damaged", lambda: hidden_scans(100)),
    "JPEG with 20 MB of FF in its scan": ("red", lambda: filled(20_000_000)),
    "WebP of two million chunks": ("damaged", lambda: webp(chunks=2_000_000)),
    "WebP of 200,000 chunks": ("red", lambda: webp(chunks=200_000)),
    "40 megapixels, progressive JPEG without its end": (
        "damaged",
        lambda: encode(plain("RGB", (8000, 5000)), progressive=True)[:-2],
    ),
    "12 megapixels, progressive JPEG without its end": (
        "red",
        lambda: encode(plain("RGB", (4000, 3000)), progressive=True)[:-2],
    ),
    "GIF of a million comments": ("damaged", lambda: gif(comments=1_000_000)),
    "BMP of a million runs": ("damaged", lambda: bmp((2000, 2000), b"\1\0" * 1_000_000)),
}
"""What each ends as: its colour, or why it is refused."""


def texts(count: int) -> bytes:
    return b"".join(chunk(b"iTXt", b"%d" % number + WIDE_TEXT) for number in range(count))


@PARAMETERS("name", READABLE)
def test_an_odd_photo_gets_the_right_label(name: str, classifier: Classifier) -> None:
    assert classifier.classify(READABLE[name]()).label == "red"


@PARAMETERS(
    ("make", "told"),
    [
        (lambda: png((66_000, 2)), "66000x2 pixels; of this kind at most 65,535 in width and height are read"),
        (lambda: png((6000, 5000)), "6000x5000 pixels; of this kind at most 25 million are read"),
        (
            lambda: encode(plain("RGB", (65_500, 282)).convert("CMYK"), progressive=True),
            "65500x282 pixels; of this kind at most as many are read as take 160 MB to decode",
        ),
    ],
)
def test_the_limit_that_a_photo_exceeds_is_named(make: Make, told: str) -> None:
    with pytest.raises(PhotoError) as caught:
        read(make())
    assert str(caught.value) == told


@PARAMETERS("name", REFUSED)
def test_what_cannot_be_answered_has_the_right_reason(name: str, classifier: Classifier) -> None:
    reason, make = REFUSED[name]
    with pytest.raises(PhotoError) as caught:
        classifier.classify(make())
    assert caught.value.reason is reason


@PARAMETERS("name", BOMBS)
def test_a_bomb_takes_little_memory_and_the_next_photo_is_named(name: str, decoder: Decoder) -> None:
    outcome, make = BOMBS[name]
    before = decoder(encode(draw("green")))
    answer = decoder(make())
    assert (answer.outcome, before.outcome) == (outcome, "green"), answer.error
    assert answer.peak - before.rss < MAX_MEMORY
    assert decoder(encode(draw("blue"))).outcome == "blue"


@PARAMETERS(
    "make",
    [
        lambda: png((3400, 3500), RED + b"\x80", kind=6),
        lambda: png((3400, 3500), RED * 2 + b"\x80\x80", depth=16, kind=6),
        lambda: encode(plain("RGBA", (3500, 3400)), "PNG", exif=exif(6)),
        lambda: encode(plain("RGB", (3500, 3400)), "PNG", exif=exif(3)),
        lambda: encode(plain("RGB", (2047, 6200)), "PNG", exif=exif(8)),
        lambda: encode(plain("RGBA", (3500, 3400)), "WEBP", lossless=True, method=0, exif=exif(6)),
        lambda: encode(plain("L", (400, 30_000)), exif=exif(6)),
        lambda: gif_with_frame((3500, 3400), (3499, 3400)),
    ],
)
def test_no_photo_takes_more_memory_than_is_reserved_for_it(make: Make, decoder: Decoder) -> None:
    data = make()
    before = decoder(encode(draw("green")))
    answer = decoder(data)
    assert answer.peak - before.rss < estimate_memory(data) / 1e6 + 8


@PARAMETERS("form", ["JPEG", "PNG", "WEBP"])
@PARAMETERS("orientation", range(1, 9))
def test_every_exif_orientation_is_honoured(orientation: int, form: str) -> None:
    photo = Image.new("RGB", (64, 32), "white")
    photo.paste("black", (0, 0, 32, 16))  # one quarter: each orientation brings it to another place or turns the photo
    data = encode(photo, form, exif=exif(orientation), **({"quality": 100} if form == "JPEG" else {"lossless": True}))
    upright = read(data)
    with Image.open(io.BytesIO(data)) as file:
        expected = ImageOps.exif_transpose(file).convert("RGB")
    assert upright.size == ((64, 32) if orientation < 5 else (32, 64))
    assert upright.tobytes() == expected.tobytes()


def test_a_large_photo_comes_smaller_and_a_small_one_as_it_is() -> None:
    assert read(encode(draw(size=(1280, 479)))).size == (1280, 479)
    assert read(encode(draw(size=(1280, 959)))).size == (640, 480)
    assert read(encode(draw(size=(1280, 960)))).size == (320, 240)
    assert read(encode(draw(size=(4032, 3024)))).size == (504, 378)
    assert read(png((4032, 3024))).size == (4032, 3024)
    assert read(png((5000, 4000))).size == (1667, 1334)


@PARAMETERS(("code", "outcome"), [("import os; os.abort()", "crash"), ("while True: pass", "hang")])
def test_the_fuzzer_notices_a_process_that_dies_or_hangs(code: str, outcome: str) -> None:
    decoder = Decoder("-c", code)
    assert [decoder(b"a photo").outcome, decoder(b"another one").outcome] == [outcome, outcome]
    decoder.close()


def test_a_short_run_of_the_fuzzer_finds_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.stress.fuzz", "--inputs", "300", "--seed", "7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith("300 inputs (seed 7): ")


def test_an_input_of_the_fuzzer_can_be_made_again() -> None:
    corpus = build_corpus(None)
    assert mutate(corpus, 7, 12) == mutate(build_corpus(None), 7, 12) != mutate(corpus, 8, 12)
