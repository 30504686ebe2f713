"""What becomes of a photo's bytes before the net sees them."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bot.inference import decoding as photo_module
from bot.inference.contract import Preprocess
from bot.inference.decoding import HEIC, MAX_PIXELS, PhotoError, Reason, decode, estimate_memory, read
from bot.inference.photo_files import SUFFIXES
from tests.support.photos import chunk, draw, encode, encode_heic, png

PREPROCESS = Preprocess(size=224, resize=256)


def mean_color(data: bytes) -> list[int]:
    return [round(value) for value in np.asarray(read(data)).mean((0, 1))]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_named_format_gives_the_nets_input(form: str) -> None:
    pixels = decode(encode(draw("green"), form), PREPROCESS)
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    assert pixels[112, 112].tolist() == pytest.approx([30, 200, 30], abs=4)


def test_the_whole_photo_is_squished_and_its_margin_cut_off() -> None:
    photo = Image.new("RGB", (512, 256), "white")
    photo.paste("black", (0, 0, 256, 256))  # the left half
    photo.paste("red", (0, 0, 32, 256))  # the left sixteenth: exactly the margin of 16 of 256 pixels
    row = decode(encode(photo, "PNG"), PREPROCESS)[100].tolist()
    assert row[3] == [0, 0, 0]
    assert row[108] == [0, 0, 0]
    assert row[116] == [255, 255, 255]


def test_exif_orientation_is_honoured() -> None:
    photo = Image.new("RGB", (200, 100), "white")
    photo.paste("black", (0, 0, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned right to be seen: the left half comes up
    upright = read(encode(photo, "JPEG", exif=exif))
    assert upright.size == (100, 200)
    assert upright.getpixel((50, 20)) == (0, 0, 0)


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(b"\xff\xe2\x00\x5aMPF\0II*\0" + bytes(80), id="an index of several pictures"),
        pytest.param(b"\xff\xe1\x00\x7aExif\0\0MM\0*" + b"\xff" * 110, id="EXIF"),
    ],
)
def test_damaged_metadata_change_no_answer_however_warnings_are_taken(metadata: bytes) -> None:
    """Here they are errors (pyproject.toml)."""
    data = encode(draw("green"), "JPEG")
    assert mean_color(data[:2] + metadata + data[2:]) == mean_color(data)


def test_transparency_lies_on_white() -> None:
    hidden = Image.new("RGBA", (50, 50), (255, 0, 0, 0))
    assert mean_color(encode(hidden, "PNG")) == [255, 255, 255]
    palette = Image.new("P", (50, 50), 0)
    palette.putpalette([10, 20, 30])
    assert mean_color(encode(palette, "PNG", transparency=0)) == [255, 255, 255]


@pytest.mark.parametrize(
    ("depth", "level", "pixel"),
    [(1, 1, b"\xff"), (2, 2, b"\xaa"), (4, 9, b"\x99"), (8, 200, b"\xc8"), (16, 1000, b"\x03\xe8")],
)
def test_a_transparent_level_of_a_grey_png_lies_on_white(depth: int, level: int, pixel: bytes) -> None:
    """Of each depth that a PNG may have. The pixel is a whole byte or more; all of the picture is transparent."""
    across = 32 if depth >= 8 else 32 * 8 // depth
    rows = (b"\0" + pixel * 32) * 32
    header = struct.pack(">IIBBBBB", across, 32, depth, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    end = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert mean_color(start + chunk(b"tRNS", struct.pack(">H", level)) + end) == [255, 255, 255]
    opaque = mean_color(start + chunk(b"tRNS", struct.pack(">H", level - 1)) + end)
    assert opaque == mean_color(start + end)
    assert opaque == [round(255 * level / (2**depth - 1))] * 3 or depth == 16


def test_a_transparent_colour_of_a_png_of_16_bits_lies_on_white() -> None:
    color = struct.pack(">HHH", 51200, 700, 40000)
    assert mean_color(png((40, 30), color, depth=16, before=chunk(b"tRNS", color))) == [255, 255, 255]
    other = struct.pack(">HHH", 700, 51200, 40000)
    assert mean_color(png((40, 30), color, depth=16, before=chunk(b"tRNS", other))) == [200, 2, 156]


def test_around_the_first_frame_of_a_gif_there_is_nothing() -> None:
    palette = bytes((200, 0, 0, 0, 0, 200)) + bytes(6)  # red, blue
    screen = struct.pack("<6sHHBBB", b"GIF89a", 40, 40, 0x81, 0, 0) + palette
    frame = b"," + struct.pack("<HHHHB", 10, 10, 20, 20, 0)
    whole = encode(Image.new("P", (20, 20), 1), "GIF", optimize=False)
    packed = whole[whole.index(b",\0\0\0\0\x14\0\x14\0") + 10 :]
    packed = packed if packed[0] in range(2, 9) else packed[768:]
    image = read(screen + frame + packed)
    assert image.getpixel((5, 5)) == (255, 255, 255)
    assert image.getpixel((20, 20)) == (0, 0, 200)
    assert image.getpixel((35, 35)) == (255, 255, 255)


def test_a_bmp_whose_fourth_bytes_are_all_0_is_opaque() -> None:
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 4, 4, 1, 32, 3, 64, 0, 0, 0, 0) + masks + bytes(52)
    start = struct.pack("<2sIHHI", b"BM", 14 + 108 + 64, 0, 0, 14 + 108) + header
    assert mean_color(start + bytes((30, 30, 220, 0)) * 16) == [220, 30, 30]
    assert mean_color(start + bytes((30, 30, 220, 0)) * 8 + bytes((30, 30, 220, 255)) * 8) == [238, 142, 142]


def test_unusual_kinds_of_pixels_keep_their_colour() -> None:
    gray16 = Image.fromarray(np.full((40, 40), 32768, np.uint16))
    assert mean_color(encode(gray16, "PNG")) == [128, 128, 128]
    assert mean_color(encode(draw("red").convert("CMYK"), "JPEG")) == pytest.approx([220, 30, 30], abs=3)
    assert mean_color(encode(Image.new("1", (9, 9), 1), "PNG")) == [255, 255, 255]
    assert decode(encode(Image.new("RGB", (1, 1), "blue"), "PNG"), PREPROCESS)[5, 5].tolist() == [0, 0, 255]


def test_the_first_frame_of_an_animation_counts() -> None:
    animation = encode(draw("red"), "GIF", save_all=True, append_images=[draw("blue")])
    assert mean_color(animation) == pytest.approx([220, 30, 30], abs=3)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<html>", b"%!PS-Adobe-3.0 EPSF-3.0", b"II*\0" + bytes(50), encode(draw(), "TIFF")]
)
def test_what_is_not_a_photo_is_unreadable(data: bytes) -> None:
    with pytest.raises(PhotoError) as caught:
        read(data)
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_truncated_photo_is_damaged(form: str) -> None:
    noise = Image.effect_noise((100, 100), 80)
    data = encode(noise.convert("RGB"), form)
    with pytest.raises(PhotoError) as caught:
        read(data[: len(data) // 2])
    assert caught.value.reason is Reason.DAMAGED


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_a_jpeg_without_the_marker_of_its_end_is_whole_if_its_scan_is(options: dict[str, Any]) -> None:
    data = encode(Image.effect_noise((300, 200), 80).convert("RGB"), "JPEG", quality=90, **options)
    for missing in (1, 2):
        assert read(data[:-missing]) == read(data)
    assert read(data + b"a video behind it") == read(data)
    for missing in (20, 200, 2000):
        with pytest.raises(PhotoError, match="its end is missing") as caught:
            read(data[:-missing])
        assert caught.value.reason is Reason.DAMAGED


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}])
def test_a_jpeg_that_ends_between_two_scans_or_restarts_is_not_whole(mode: str, options: dict[str, Any]) -> None:
    data = encode(Image.effect_noise((40, 150), 80).convert(mode), "JPEG", **options)
    ends = [
        found.start()
        for found in re.finditer(rb"\xff[\xc4\xd0-\xd7\xda]", data)
        if found.start() > data.index(b"\xff\xda")
    ]
    assert len(ends) > 2
    for end in ends:
        with pytest.raises(PhotoError, match="its end is missing"):
            read(data[:end])


@pytest.mark.parametrize(
    ("options", "unseen"),
    [
        ({}, 0),
        ({"progressive": True}, 1),
        ({"progressive": True, "restart_marker_blocks": 2}, 2),
        ({"restart_marker_blocks": 1}, 0),
    ],
)
@pytest.mark.parametrize("seed", [2, 4])
def test_a_jpeg_that_breaks_off_near_its_end_is_refused_or_hardly_differs(
    seed: int, options: dict[str, Any], unseen: int
) -> None:
    """Of white paper with dots, where what is missing is lost beyond white, and of noise, where it is rounded away."""
    rng = np.random.default_rng(seed)
    paper = np.where(rng.random((50, 61)) < 0.05, 0, 255)
    different = 0
    for levels in (paper, rng.integers(0, 256, (34, 60)), rng.integers(0, 256, (30, 24))):
        for quality in (1, 30, 100):
            data = encode(Image.fromarray(levels.astype(np.uint8)), "JPEG", quality=quality, **options)
            whole = read(data)
            assert read(data[:-1]) == read(data[:-2]) == whole
            header = data.rindex(b"\xff\xda") + 14
            for missing in [*range(3, 60), *range(60, min(600, len(data) - header), 9)]:
                try:
                    image = read(data[:-missing])
                except PhotoError:
                    continue
                different += image != whole
                assert image == whole or missing < 60
                assert np.abs(np.asarray(image, int) - np.asarray(whole, int)).mean() < 1.2  # of 255 levels
    assert different <= unseen


@pytest.mark.parametrize("side", [8_000, 20_000, 60_000])
def test_too_many_pixels_are_known_from_the_header_alone(side: int) -> None:
    assert side * side > MAX_PIXELS
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    with pytest.raises(PhotoError) as caught:
        read(data + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    assert caught.value.reason is Reason.TOO_MANY_PIXELS


@pytest.mark.skipif(HEIC, reason="with pillow_heif it is read")
def test_heic_without_its_library_is_unreadable() -> None:
    with pytest.raises(PhotoError) as caught:
        read(b"\0\0\0\x18ftypheic" + bytes(100))
    assert caught.value.reason is Reason.UNREADABLE
    assert ".heic" not in SUFFIXES


@pytest.mark.skipif(not HEIC, reason="needs requirements-heic.txt")
def test_heic_with_its_library_is_read_upright(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = Image.new("RGB", (200, 100), "white")
    photo.paste("black", (0, 0, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode_heic(photo, exif=exif.tobytes())
    assert ".heic" in SUFFIXES
    upright = read(data)
    assert upright.size == (100, 200)
    assert upright.getpixel((50, 20)) == pytest.approx((0, 0, 0), abs=4)
    assert mean_color(encode_heic(Image.new("RGBA", (64, 64), (255, 0, 0, 0)))) == [255, 255, 255]
    for limit, damaged, reason in [(1_000, data, Reason.TOO_MANY_PIXELS), (MAX_PIXELS, data[:-50], Reason.DAMAGED)]:
        monkeypatch.setattr(photo_module, "MAX_PIXELS", limit)
        with pytest.raises(PhotoError) as caught:
            read(damaged)
        assert caught.value.reason is reason


@pytest.mark.parametrize("frame", [0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
def test_a_jpeg_of_arithmetic_coding_is_refused_before_it_is_decoded(frame: int) -> None:
    """Of 200 bytes libjpeg would make up a large picture for seconds, scan by scan."""
    data = encode(draw("red")).replace(b"\xff\xc0", bytes([0xFF, frame]))
    with pytest.raises(PhotoError, match="a JPEG of arithmetic coding") as error:
        read(data)
    assert error.value.reason is Reason.UNSUPPORTED
    assert estimate_memory(data) == 0


def test_blocks_of_exif_without_end_are_refused() -> None:
    plain = encode(draw("red"))
    block = b"\xff\xe1\0\x10Exif\0\0" + bytes(8)
    assert read(plain[:2] + 300 * block + plain[2:]).size == read(plain).size
    many = plain[:2] + 60_000 * block + plain[2:]
    hidden = plain[:2] + 60 * (b"\xff\xf0" + 1000 * block) + plain[2:]  # as its length a reader takes none
    for data in (many, hidden, b"\xff\xd8\xff\xd9" + many):
        with pytest.raises(PhotoError, match="more than 400 blocks of EXIF"):
            read(data)


@pytest.mark.parametrize("head", [b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\0\xff\xd9", b"\xff\xd8\xff\xc8\xff\xd9"])
def test_an_end_before_the_picture_hides_nothing_of_it(head: bytes) -> None:
    """Readers take what comes before for tables, and go on."""
    plain = encode(draw("red"))
    with pytest.raises(PhotoError, match="a JPEG of arithmetic coding"):
        read(head + plain.replace(b"\xff\xc0", b"\xff\xca"))
    scan = plain[plain.index(b"\xff\xda") : -2]
    with pytest.raises(PhotoError, match="more than 40 scans"):
        read(head + plain[:-2] + 50 * scan + plain[-2:])
    with pytest.raises(PhotoError):
        read(head + plain[: len(plain) // 2])
