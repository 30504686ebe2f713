"""compare_answers.py ONE.json OTHER.json: whether two runs of `bot classify --json` give the same labels.

Exit status 1 where a label differs. Probabilities may differ in their last digits: processors add in other orders.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    one, other = ([json.loads(line) for line in Path(name).read_text().splitlines()] for name in sys.argv[1:])
    if not one or [answer["path"] for answer in one] != [answer["path"] for answer in other]:
        print("the two files are not of the same photos")
        return 1
    if any("error" in answer for answer in (*one, *other)):
        print("a photo could not be read")
        return 1
    changed = [first["path"] for first, second in zip(one, other, strict=True) if first["label"] != second["label"]]
    for path in changed:
        print(f"another label: {path}")
    apart = max(
        abs(value - second["probabilities"][label])
        for first, second in zip(one, other, strict=True)
        for label, value in first["probabilities"].items()
    )
    print(f"{len(one) - len(changed)} of {len(one)} photos have the same label, probabilities within {apart:.1e}")
    return int(bool(changed))


if __name__ == "__main__":
    sys.exit(main())
