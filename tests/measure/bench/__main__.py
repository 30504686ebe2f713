"""python -m tests.measure.bench --train .venv/train/bin/python: BENCHMARKS.md and its pictures, in twenty minutes.

The machine should have nothing else to do. Without `--learner` fastai and PyTorch run a resnet18 that was hardly
trained, which takes them as long.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from deploy.slug.report import weigh
from tests.measure.bench.report import write
from tests.measure.footprint.load import measure_load
from tests.support.bot_process import BOT_PYTHON
from tests.support.datasets import draw_photos
from tests.support.paths import ROOT
from tests.support.training_runs import TRAIN

WAYS: dict[str, tuple[str, ...]] = {"deferred": (), "plain": ("--plain",)}
TUTORIALS = "fastai torch torchvision"
WEIGH = f"""
import json, re, sys
from importlib.metadata import PackageNotFoundError, distribution
sizes, left = {{}}, "{TUTORIALS} aiogram".split()
while left:
    name = re.sub(r"[-_.]+", "-", left.pop()).lower()
    if name in sizes:
        continue
    try:
        package = distribution(name)
    except PackageNotFoundError:  # for other systems
        continue
    paths = [file.locate() for file in package.files or ()]
    sizes[name] = sum(path.stat().st_size for path in paths if path.exists())
    left += [re.match(r"[\\w.-]+", text)[0] for text in package.requires or () if "extra ==" not in text]
print(json.dumps(sizes))
"""
"""The tutorials' way to a bot: the bytes of these packages and of all that they need, by name."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.bench", description="Writes BENCHMARKS.md.")
    parser.add_argument("--train", required=True, metavar="PYTHON", help="the training environment's interpreter")
    parser.add_argument("--learner", type=Path, help="what fastai and PyTorch run (one that is made for it)")
    parser.add_argument("--rounds", type=int, default=6, help="of the engines (%(default)s)")
    parser.add_argument("--photos", type=int, default=1000, help="for the memory (%(default)s)")
    parser.add_argument("--many", type=int, default=10_000, help="for its slope (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="what was found, to go on from (--from)")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="write the page from that again")
    options = parser.parse_args()
    found = json.loads(options.source.read_text()) if options.source else measure(options)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    write(found, ROOT)
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        learner = options.learner or _train(options.train, folder)
        _tell("the engines")
        against = ("--threads", "1,2", "--against", "fastai,torch,openvino", "--learner", learner)
        engines = _ask(folder, options.train, "bot", "benchmark", *against, "--rounds", options.rounds)
        for row in engines["rows"]:  # the page names no folder of this machine
            row["file"] = row["file"].removeprefix(f"{folder}/")
        footprints = {}
        for way, arguments in WAYS.items():
            _tell(f"start and memory, aiogram's import {way}")
            footprints[way] = _ask(
                folder, sys.executable, "tests.measure.footprint", *arguments, "--photos", options.photos
            )
        _tell(f"memory over {options.many} photos")
        many = _ask(folder, sys.executable, "tests.measure.footprint", "--photos", options.many, "--starts", 1)
        _tell("load")
        loads = [measure_load(options.photos, threads) for threads in (1, 2)]
        _tell("the slug")
        _run(BOT_PYTHON, "deploy.slug", "build", "--out", folder / "dist")
        sizes = {"slug": weigh(folder / "dist" / "slug"), "archive": _weigh_archive(folder / "dist")}
        packages = json.loads(subprocess.run([options.train, "-c", WEIGH], capture_output=True, check=True).stdout)
    return {
        "engines": engines,
        "footprints": footprints,
        "many": many,
        "loads": loads,
        "sizes": sizes,
        "packages": packages,
    }


def _train(python: str, folder: Path) -> Path:
    _tell("a learner")
    photos = draw_photos(folder / "photos")
    _run(python, "training", "--data", photos, "--out", folder / "learner", *TRAIN)
    return folder / "learner.pkl"


def _ask(folder: Path, python: str, *command: object) -> Any:
    file = folder / "answer.json"
    _run(python, *command, "--json", file)
    return json.loads(file.read_text())


def _run(python: str, *command: object) -> None:
    keep_bytecode = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}  # fastai's start counts too, as on any second day
    subprocess.run(
        [python, "-m", *map(str, command)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True, env=keep_bytecode
    )


def _weigh_archive(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.tar.xz"))


def _tell(what: str) -> None:
    print(f"measuring {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
