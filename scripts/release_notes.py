#!/usr/bin/env python3
"""The notes of a release: how to run it and check its signatures, then the changelog's newest entry.

scripts/release_notes.py TAG REPOSITORY     such as v1.2.3 OWNER/NAME; exit status 1 if TAG is not the version here
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTES = """\
With Python {python} on Linux (x86_64, or aarch64 for arm64):

```sh
gh release download {tag} --repo {repository} --pattern "labelgram-$(uname -m).tar.xz"
gh attestation verify "labelgram-$(uname -m).tar.xz" --repo {repository}
tar xf labelgram-*.tar.xz && labelgram/run
```

Or as a container, with `BOT_TOKEN=123456:your-token` in a file named `.env`:

```sh
gh attestation verify oci://{image} --repo {repository}
docker run --env-file .env -v labelgram:/state {image}
```

"""


def main(tag: str, repository: str) -> int:
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "bot" / "__init__.py").read_text(), re.MULTILINE)
    entry = re.search(r"^## (\S+) .*\n((?:(?!## ).*\n)*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version
    assert entry
    if not tag.removeprefix("v") == version[1] == entry[1]:
        print(f"The tag is {tag}, bot/__init__.py has {version[1]}, CHANGELOG.md {entry[1]}.", file=sys.stderr)
        return 1
    python = (ROOT / ".python-version").read_text().strip()
    image = f"ghcr.io/{repository.lower()}:{version[1]}"
    print(NOTES.format(tag=tag, repository=repository, image=image, python=python) + entry[2].strip())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 3 else f"Usage: {sys.argv[0]} TAG REPOSITORY")
