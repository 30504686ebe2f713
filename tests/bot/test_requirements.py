"""The bot runs from requirements-bot.txt alone, and never asks for the training side."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

from tests.support.bot_process import BOT_PYTHON
from tests.support.paths import ROOT

FORBIDDEN = {"torch", "torchvision", "fastai", "onnx", "training", "export"}


def run(code: str) -> str:
    return subprocess.run([BOT_PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_importing_every_module_of_the_bot_loads_nothing_of_the_training_side() -> None:
    # `redis` and `s3` are asked for only where a setting wants them, and need requirements of their own.
    skipped = re.compile(r"redis/(?!__init__)|__main__|s3")
    files = [file for file in (ROOT / "bot").rglob("*.py") if not skipped.search(file.relative_to(ROOT).as_posix())]
    modules = [_name(file) for file in files]
    loaded = run(
        f"import importlib, sys\nfor name in {modules}: importlib.import_module(name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert "bot" in loaded.split()
    assert FORBIDDEN & set(loaded.split()) == set()


def test_no_file_of_the_bot_mentions_such_an_import() -> None:
    for file in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert FORBIDDEN & {name.partition(".")[0] for name in names} == set(), file


def test_the_bots_environment_holds_no_training_package() -> None:
    """With `make test`, whose bot environment is made from requirements-bot.txt; a developer's own is let be."""
    installed = run("from importlib.metadata import distributions\nprint(*{d.name.lower() for d in distributions()})")
    if "pytest" not in installed.split():
        assert FORBIDDEN & set(installed.split()) == set()
    pinned = (ROOT / "requirements-bot.txt").read_text().splitlines()
    names = {line.partition("==")[0] for line in pinned if line and not line.startswith("#")}
    assert names == {"aiogram", "numpy", "onnxruntime", "pillow", "polib", "prometheus-client"}


def _name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
