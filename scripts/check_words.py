#!/usr/bin/env python3
"""Plain English: no word of a list in code and texts, and no long sentence in the documents.

scripts/check_words.py     prints each place and what is wrong with it, then the average; exit status 1 if anything is
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ("bot", "training", "export", "deploy", "artifacts/mask-replies", "bin", ".ci", "Makefile", "Dockerfile")
MADE = re.compile(r"\.po$(?<!/en\.po)|/schemas/|\.onnx$|check_words")
"""Other languages, and what others wrote."""
WORDS = re.compile(
    r"\b(?:anew|mend(?:ed|s|ing)?|hung on|by lot|goes? by|cannot be had|dear|whoever|rightly"
    r"|(?:is|are) none(?! (?:%|and)))\b"  # which is a test in a template
)
LONGEST, AVERAGE = 20, 13
"""Words of a sentence at most, and of all sentences on average."""
NO_SENTENCES = re.compile(r"^```[\s\S]*?^```|<[^>]+>|^\|.*$|^#.*$", re.MULTILINE)
BLOCK = re.compile(r"\n\s*\n|^\s*(?:[-*]|\d+\.|>)\s+", re.MULTILINE)
SENTENCE = re.compile(r"[.!?][*)\"”]*\s+")


def list_files(*patterns: str) -> list[Path]:
    listing = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listing.stdout.splitlines() if not MADE.search(name) and (ROOT / name).is_file()]


def read_sentences(text: str) -> Iterator[tuple[int, str]]:
    """The line on which each begins, and the sentence; a link counts by its text, code between `` as one word."""
    text = NO_SENTENCES.sub(lambda match: "\n\n" + "\n" * max(0, match[0].count("\n") - 2), text)
    text = re.sub(r"`[^`]*`", lambda match: "code" + "\n" * match[0].count("\n"), text)
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)
    start = 0
    for block in [*BLOCK.finditer(text), None]:
        end = block.start() if block else len(text)
        for sentence in SENTENCE.split(text[start:end]):
            if words := sentence.split():
                yield text.count("\n", 0, text.find(sentence, start)) + 1, " ".join(words)
        start = block.end() if block else end


def main() -> int:
    wrong: list[str] = []
    lengths: list[int] = []
    documents = list_files("*.md")
    for file in (*list_files(*CODE), *documents):
        name = file.relative_to(ROOT)
        text = file.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            wrong += [f"{name}:{number}: another word for {match[0]!r}, please" for match in WORDS.finditer(line)]
        if file not in documents or name.parts[0] in ("artifacts", "export"):
            continue
        for number, sentence in read_sentences(text):
            lengths.append(len(re.findall(r"[^\W_][\w'’.,/-]*", sentence)))
            if lengths[-1] > LONGEST:
                wrong.append(f"{name}:{number}: {lengths[-1]} words, at most {LONGEST}: {sentence[:70]} ...")
    average = sum(lengths) / len(lengths)
    if average > AVERAGE:
        wrong.append(f"{average:.1f} words a sentence on average, at most {AVERAGE}")
    print(*wrong, f"{len(lengths)} sentences of documents have {average:.1f} words on average", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
