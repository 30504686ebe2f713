"""The bot, its model and a start script beside site-packages; bytecode; the archive."""

from __future__ import annotations

import compileall
import lzma
import shutil
import sys
import tarfile
from pathlib import Path
from py_compile import PycInvalidationMode

START = """\
#!/bin/sh
# The bot on Telegram (BOT_TOKEN), or one of its commands: ./run preview, ./run classify PHOTO...
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="$here:$here/site-packages" MODEL_PATH="${{MODEL_PATH:-$here/{model}}}"
python="${{PYTHON:-python{version}}}"
if ! "$python" -IS -c 'import sys; sys.exit(sys.version_info[:2] != ({major}, {minor}))' 2>/dev/null; then
    echo "labelgram: $python is not a Python {version}. Install one, or name it: PYTHON=/path/to/python{version} $0" >&2
    exit 2
fi
exec "$python" -P -OO -m bot "$@"
"""
MAJOR, MINOR = sys.version_info[:2]
VERSION = f"{MAJOR}.{MINOR}"


def add_bot(root: Path, model: Path, slug: Path) -> None:
    """Copy what is ours from the repository's `root`, and the model with card and texts; write the start script."""
    shutil.copytree(root / "bot", slug / "bot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "LICENSE", slug)
    (slug / "artifacts").mkdir()
    for file in (model, model.with_suffix(".md")):
        if file.exists():
            shutil.copy(file, slug / "artifacts")
    for beside in ("replies", "examples"):
        folder = model.with_name(f"{model.stem}-{beside}")
        if folder.is_dir():
            shutil.copytree(folder, slug / "artifacts" / folder.name)
    (slug / "run").write_text(START.format(model=f"artifacts/{model.name}", version=VERSION, major=MAJOR, minor=MINOR))
    (slug / "run").chmod(0o755)


def make_readable(folder: Path) -> None:
    """Whoever runs the bot may read it, whatever the umask of who made it."""
    for file in (folder, *folder.rglob("*")):
        file.chmod(0o755 if file.is_dir() or file.stat().st_mode & 0o100 else 0o644)


def compile_bytecode(folder: Path) -> bool:
    """Compile all modules, so that none is at every start where the folder cannot be written; False if one cannot be.

    For `python -OO`: documentation in the code is 4 MB of the bot's memory. They are not compared with their sources'
    times, which archives and images change.
    """
    return bool(
        compileall.compile_dir(
            folder,
            maxlevels=99,
            quiet=1,
            workers=0,
            stripdir=str(folder),
            optimize=2,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
    )


def archive(slug: Path, file: Path, preset: int) -> None:
    """Write the .tar.xz, a quarter smaller than by gzip: the same folder gives the same bytes."""

    def neutral(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    with lzma.open(file, "w", preset=preset) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(slug, "labelgram", filter=neutral)
