"""compare_answers.py ONE.json OTHER.json: whether two runs of `bot classify --json` give the same labels.

Exit status 1 where a label differs, 2 where the files cannot be compared. Probabilities may differ in their last
digits: processors add in other orders.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def read(file: str) -> list[dict[str, Any]]:
    """The answers in a file, a line each. Raises OSError, and ValueError for another file."""
    answers = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    for answer in answers:
        if not isinstance(answer, dict) or "path" not in answer:
            raise ValueError(f"{file} is not what `bot classify --json` prints")
        if "error" in answer:
            raise ValueError(f"{answer['path']!a} could not be read: {answer['error']}")
    return answers


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: compare_answers.py ONE.json OTHER.json", file=sys.stderr)
        return 2
    try:
        one, other = map(read, sys.argv[1:])
    except (OSError, ValueError) as error:
        print(f"compare_answers: {error}", file=sys.stderr)
        return 2
    if not one or [answer["path"] for answer in one] != [answer["path"] for answer in other]:
        print("compare_answers: the two files are not of the same photos", file=sys.stderr)
        return 2
    pairs = list(zip(one, other, strict=True))
    if any(first["probabilities"].keys() != second["probabilities"].keys() for first, second in pairs):
        print("compare_answers: the two files are of models with other classes", file=sys.stderr)
        return 2
    changed = [first["path"] for first, second in pairs if first["label"] != second["label"]]
    for path in changed:
        print(f"another label: {path!a}")
    apart = max(
        abs(value - second["probabilities"][label])
        for first, second in pairs
        for label, value in first["probabilities"].items()
    )
    print(f"{len(one) - len(changed)} of {len(one)} photos have the same label, probabilities within {apart:.1e}")
    return int(bool(changed))


if __name__ == "__main__":
    sys.exit(main())
