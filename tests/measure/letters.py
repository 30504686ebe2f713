"""Forty letters in 25 fonts: what the default training's last layer makes of drawings, in five folds by font.

    apt-get install --no-install-recommends fonts-dejavu-core fonts-liberation fonts-freefont-ttf fonts-lato \
        fonts-roboto-unhinted fonts-open-sans fonts-cantarell fonts-crosextra-carlito fonts-crosextra-caladea \
        fonts-linuxlibertine fonts-inconsolata fonts-firacode fonts-ebgaramond fonts-comfortaa fonts-quicksand \
        fonts-junction fonts-gfs-didot fonts-urw-base35
    .venv/train/bin/python -m tests.measure.letters [--weights PATH] [--epochs 0]

Each fold is a training with `--leave-out fold=NUMBER`, judged on five fonts that it has not seen.
"""

from __future__ import annotations

import argparse
import csv
import string
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from training import command
from training.runs import read_metrics

FOLDER = Path("/usr/share/fonts")
FONTS = (
    *("DejaVuSans.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf", "LiberationMono-Regular.ttf"),
    *("LiberationSans-Regular.ttf", "LiberationSerif-Regular.ttf", "FreeMono.ttf", "FreeSans.ttf", "FreeSerif.ttf"),
    *("Lato-Regular.ttf", "Roboto-Regular.ttf", "OpenSans-Regular.ttf", "Cantarell-Regular.otf", "Carlito-Regular.ttf"),
    *("Caladea-Regular.ttf", "LinBiolinum_R.otf", "LinLibertine_R.otf", "Inconsolata.otf", "FiraCode-Regular.ttf"),
    *("EBGaramond12-Regular.otf", "Comfortaa-Regular.ttf", "Quicksand-Regular.ttf", "Junction.otf", "GFSDidot.otf"),
    "C059-Roman.otf",
)
LETTERS = string.ascii_uppercase + "abdefghmnqrtyl"
"""Forty: small letters that look like no capital."""
FOLDS = 5
SIDE = 224


def draw_letters(folder: Path) -> None:
    """A folder of 25 pictures for each letter, and groups.csv with each one's font and fold. Raises SystemExit."""
    files = {file.name: file for file in FOLDER.rglob("*") if file.name in FONTS}
    if missing := sorted(set(FONTS) - files.keys()):
        sys.exit(f"letters: no {', '.join(missing)} below {FOLDER}. Install the packages above.")
    rows = []
    for number, name in enumerate(FONTS):
        font = ImageFont.truetype(files[name], SIDE // 2)
        for letter in LETTERS:
            label = f"{'capital' if letter.isupper() else 'small'} {letter}"
            picture = Image.new("RGB", (SIDE, SIDE), "white")
            ImageDraw.Draw(picture).text((SIDE // 2, SIDE // 2), letter, "black", font, anchor="mm")
            path = Path(label, f"{Path(name).stem}.png")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            picture.save(folder / path)
            rows.append([path.as_posix(), label, name, number % FOLDS])
    with (folder / "groups.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "group", "fold"], *rows])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.letters", description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", default="imagenet", help="as for python -m training (%(default)s)")
    parser.add_argument("--epochs", default="0", help="as for python -m training (%(default)s: the last layer alone)")
    options = parser.parse_args(arguments)
    right = judged = 0
    with tempfile.TemporaryDirectory() as name:
        data, out = Path(name, "letters"), Path(name, "net")
        draw_letters(data)
        start, busy = time.perf_counter(), time.process_time()
        for fold in range(FOLDS):
            given = ["--data", str(data), "--out", str(out), "--leave-out", f"fold={fold}"]
            if command.main([*given, "--weights", options.weights, "--epochs", options.epochs]):
                return 1
            scores = read_metrics(Path(f"{out}-report")).evaluation.scores.right
            right, judged = right + round(scores.share * scores.photos), judged + scores.photos
    print(f"{right} of {judged} right, {right / judged:.2%}, each in a font that the net has not seen")
    took, used = (time.perf_counter() - start) / FOLDS, (time.process_time() - busy) / FOLDS
    print(f"{took:.0f} s a training with its report, {used:.0f} s of processor time")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
