"""Any of Pillow's kinds of pixels -> RGB on white, as a person sees the picture on a page."""

from __future__ import annotations

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

LARGE = 12_500_000
"""Pixels above which a photo is made smaller before it is squished; phones' usual 12 million are not."""
ENOUGH = 1024
"""Width and height that are kept then, four times the net's."""
LEVELS = {"L;2": 85, "L;4": 17}
"""By what Pillow multiplies the levels of a PNG with 2 or 4 bits a pixel, but not its transparent level."""


def load_flat(file: ImageFile) -> Image.Image:
    """Decode an opened photo to RGB. One of more than LARGE pixels comes smaller if it can with ENOUGH both ways."""
    raw_mode = file.tile[0].args if file.tile else None
    box = file.tile[0].extents if file.tile and file.format == "GIF" else None
    file.load()
    _mend_transparency(file, raw_mode[0] if isinstance(raw_mode, tuple) else raw_mode)
    rgb = _convert(file)
    if box and box != (0, 0, *file.size):  # outside of a GIF's first frame there is nothing, though Pillow fills it
        page = Image.new("RGB", rgb.size, "white")
        factor = -(-file.width // rgb.width)
        left, top, right, bottom = (side // factor for side in box)
        page.paste(rgb.crop((left, top, right, bottom)), (left, top))
        return page
    return rgb


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
    """In strips, so that no second image of its size is needed."""
    width, height = image.size
    factor = max(1, min(width, height) // ENOUGH) if width * height > LARGE else 1
    if factor == 1 and image.mode == "RGB" and not image.has_transparency_data:
        return image
    rgb = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, 16 * factor):
        strip = _flatten(image.crop((0, top, width, min(top + 16 * factor, height))))
        rgb.paste(strip.reduce(factor), (0, top // factor))
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
