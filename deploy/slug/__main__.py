"""Makes what is deployed, or trims what a host installed.

python -m deploy.slug build [--model M] [--extras "redis heic s3 proxy"] [--from FOLDER] [--out dist] [--no-archive]
python -m deploy.slug trim SITE_PACKAGES     in place; what does not match any more is a warning

`build` makes OUT/slug/, which any Python of this version runs by its script `run`, and its archive for machines such
as this one, OUT/labelgram-x86_64.tar.xz or OUT/labelgram-aarch64.tar.xz. The exit status is 1 if either is above its
limit (without extras), and 2 where none can be made: wrong usage, a list that does not match.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
from pathlib import Path

from deploy.slug import SlugError
from deploy.slug.install import copy_installed, install
from deploy.slug.pack import VERSION, add_bot, archive, compile_bytecode, make_readable
from deploy.slug.report import MB, show_cuts, show_packages, weigh, weigh_packages
from deploy.slug.trim import find_stale, read_entries, trim

ROOT = Path(__file__).parents[2]
LIST = ROOT / "deploy" / "trim.toml"
EXTRAS = ("redis", "heic", "s3", "proxy")
MAX_UNPACKED = 140 * MB
MAX_ARCHIVE = 55 * MB
"""Limits of the bot without extras: HEIC's library alone has 26 MB."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return _build(options) if options.command == "build" else _trim(options.site_packages, options.list)
    except SlugError as error:
        print(f"slug: {error}", file=sys.stderr)
        return 2


def _build(options: argparse.Namespace) -> int:
    extras = options.extras.split()
    if unknown := set(extras) - set(EXTRAS):
        raise SlugError(f"there is no extra {', '.join(sorted(unknown))}; there are {', '.join(EXTRAS)}")
    if not options.model.is_file():
        raise SlugError(f"there is no model {options.model}")
    entries = read_entries(options.list)
    slug, packed = options.out / "slug", options.out / f"labelgram-{platform.machine()}.tar.xz"
    site_packages = slug / "site-packages"
    packed.unlink(missing_ok=True)
    shutil.rmtree(slug, ignore_errors=True)
    site_packages.mkdir(parents=True)
    if options.source:
        copy_installed(options.source, site_packages)
    else:
        print(f"installing the locked requirements for Python {VERSION}", flush=True)
        install([ROOT / f"requirements-{name}.lock" for name in ("bot", *extras)], site_packages)
    if stale := find_stale(site_packages, entries):
        raise SlugError("\n      ".join([f"{options.list} is out of date:", *stale]))
    before = weigh_packages(site_packages)
    cuts = trim(site_packages, entries)
    after = weigh_packages(site_packages)
    add_bot(ROOT, options.model, slug)
    sources = weigh(slug)
    if not compile_bytecode(slug):
        raise SlugError("a module is not Python; it is named above")
    make_readable(slug)
    unpacked = weigh(slug)
    print(show_packages(before, after), show_cuts(cuts), sep="\n\n", end="\n\n")
    print(f"{(unpacked - sources) / MB:6.2f} MB of bytecode, {options.model.stat().st_size / MB:.2f} MB of model")
    print(f"{unpacked / MB:6.2f} MB unpacked, at most {MAX_UNPACKED / MB:.0f}: {slug}", flush=True)
    compressed = 0
    if options.archive:
        archive(slug, packed, options.preset)
        compressed = packed.stat().st_size
        print(f"{compressed / MB:6.2f} MB compressed, at most {MAX_ARCHIVE / MB:.0f}: {packed}")
    return int(not extras and (unpacked > MAX_UNPACKED or compressed > MAX_ARCHIVE))


def _trim(site_packages: Path, listed: Path) -> int:
    entries = read_entries(listed)
    for line in find_stale(site_packages, entries):
        print(f"slug: warning: {line}", file=sys.stderr)
    print(show_cuts(trim(site_packages, entries)))
    compile_bytecode(site_packages)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.slug", description="Makes what is deployed.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="the folder to deploy and its archive")
    build.add_argument(
        "--model", type=Path, default=ROOT / "artifacts" / "mask.onnx", help="the ONNX file (%(default)s)"
    )
    build.add_argument("--extras", default="", help=f"of {', '.join(EXTRAS)}: requirements besides the bot's own")
    build.add_argument("--from", dest="source", type=Path, help="site-packages to copy instead of installing")
    build.add_argument("--out", type=Path, default=ROOT / "dist", help="where to (%(default)s)")
    build.add_argument("--no-archive", dest="archive", action="store_false", help="the folder alone")
    build.add_argument("--preset", type=int, choices=range(10), default=6, help="of xz: 0 is quick and large (6)")
    there = commands.add_parser("trim", help="trim and compile what is installed, in place")
    there.add_argument("site_packages", type=Path)
    for command in (build, there):
        command.add_argument("--list", type=Path, default=LIST, help="what to take out (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
