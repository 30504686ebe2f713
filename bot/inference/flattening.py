"""Any of Pillow's kinds of pixels -> RGB on white, as a person sees the picture on a page."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.WebPImagePlugin import WebPImageFile

LARGE = 12_500_000
"""Pixels above which a photo is made smaller before it is squished; phones' usual 12 million are not."""
ENOUGH = 1024
"""Width and height that are kept then, four times the net's."""
STRIP = 64
"""Rows of pixels that are read at a time."""
LEVELS = {"L;2": 85, "L;4": 17}
"""By what Pillow multiplies the levels of a PNG with 2 or 4 bits a pixel, but not its transparent level."""


def load_flat(file: ImageFile) -> Image.Image:
    """Decode an opened photo to RGB. One of more than LARGE pixels comes smaller if it can with ENOUGH both ways."""
    if isinstance(file, WebPImageFile):
        return _convert(_load_webp(file))
    raw_mode = file.tile[0].args if file.tile else None
    box = file.tile[0].extents if file.tile and file.format == "GIF" else None
    file.load()
    _mend_transparency(file, raw_mode[0] if isinstance(raw_mode, tuple) else raw_mode)
    rgb = _convert(file)
    if box and box != (0, 0, *file.size):  # outside of a GIF's first frame there is nothing, though Pillow fills it
        width, height = rgb.size
        left, right = (side * width // file.width for side in (box[0], box[2]))
        top, bottom = (side * height // file.height for side in (box[1], box[3]))
        for outside in (
            (0, 0, width, top),
            (0, bottom, width, height),
            (0, 0, left, height),
            (right, 0, width, height),
        ):
            rgb.paste("white", outside)
    return rgb


def digest_pixels(image: Image.Image) -> bytes:
    """The same for the same pixels. They are read in strips: an image may be as large as memory allows."""
    digest = blake2b()
    for top in range(0, image.height, STRIP):
        digest.update(image.crop((0, top, image.width, min(top + STRIP, image.height))).tobytes())
    return digest.digest()


def _load_webp(file: WebPImageFile) -> Image.Image:
    """The first frame, without Pillow's second copy of it: 12 bytes a pixel at the peak, not 16."""
    decoder, file._decoder = file._decoder, None  # noqa: SLF001  its canvases go before the frame is converted
    pixels, _ = decoder.get_next()
    mode = "RGBA" if file.mode == "RGBA" else "RGBX"
    return Image.frombuffer(mode, file.size, pixels, "raw", mode, 0, 1)


def _mend_transparency(file: ImageFile, raw_mode: object) -> None:
    """Have the transparent colour in the same levels as the pixels, and take a BMP for opaque that has no other pixel.

    Pillow leaves PNG's tRNS as it is written. Programs that know no transparency write 0 into a BMP's fourth byte.
    """
    transparent = file.info.get("transparency")
    if isinstance(transparent, int) and raw_mode in LEVELS:
        file.info["transparency"] = transparent * LEVELS[str(raw_mode)]
    elif isinstance(transparent, tuple) and raw_mode == "RGB;16B":
        file.info["transparency"] = tuple(level >> 8 for level in transparent)
    if file.format == "BMP" and file.mode == "RGBA" and file.getchannel("A").getextrema() == (0, 0):
        file.putalpha(255)


def _convert(image: Image.Image) -> Image.Image:
    """In strips, so that no second image of its size is needed. A long and narrow one loses length alone."""
    width, height = image.size
    if width * height <= LARGE:
        across = down = 1
    elif (factor := min(width, height) // ENOUGH) > 1:
        across = down = factor
    else:
        across, down = (max(1, side // (2 * ENOUGH)) for side in image.size)
    if across == down == 1 and image.mode == "RGB" and not image.has_transparency_data:
        return image
    rgb = Image.new("RGB", (-(-width // across), -(-height // down)))
    for top in range(0, height, 16 * down):
        strip = _flatten(image.crop((0, top, width, min(top + 16 * down, height))))
        rgb.paste(strip.reduce((across, down)), (0, top // down))
    return rgb


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion would clip everything above 255
        levels = np.asarray(image)
        gray = (levels >> 8).astype(np.uint8)
        gray[levels == image.info.get("transparency")] = 255
        return Image.fromarray(gray).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
