"""CSV files: groups.csv and corrected labels, which people write beside their photos, and those of a report."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bot.errors import explain_os_error
from bot.inference.names import clean_label
from training.data.photos import DataError, LabelledPhoto
from training.whole_files import write_text_whole


def read_table(file: Path, columns: Sequence[str], folder: Path | None = None) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, missing cells empty, labels cleaned as folder names are.

    Names of files that are not UTF-8 keep their bytes. Where `folder` is given, paths below it may have the backslashes
    of Windows. Raises DataError for a file that cannot be read or lacks one of `columns`.
    """
    header, rows = _read(file, columns)
    if not set(columns) <= set(header):
        raise DataError(
            f"{file} needs the columns {', '.join(columns)}, separated by commas, in UTF-8. "
            f"Its first line is {','.join(header)[:80]!r}."
        )
    for row in rows:
        if "label" in row:
            row["label"] = clean_label(row["label"])
        if folder and "path" in row:
            row["path"] = _with_slashes(row["path"], folder)
    return rows


def _with_slashes(path: str, folder: Path) -> str:
    """A path below `folder` as the photos' are written; a file's own name may hold a backslash."""
    if "\\" not in path or os.path.exists(folder / path):  # noqa: PTH110  # Path's raises for too long a name
        return path
    return path.replace("\\", "/")


def read_header(file: Path) -> list[str]:
    """The columns of a CSV file. Raises DataError for a file that cannot be read."""
    return _read(file, ("path",))[0]


def _read(file: Path, columns: Sequence[str]) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as handle:
            reader = csv.DictReader(handle, restval="")
            reader.fieldnames = [clean_label(name) for name in reader.fieldnames or []]
            rows = [{name: text for name, text in row.items() if isinstance(text, str)} for row in reader]
            return list(reader.fieldnames or []), rows
    except (OSError, csv.Error) as error:
        why = explain_os_error(error) if isinstance(error, OSError) else error
        raise DataError(f"{file} cannot be read: {why}. It has to be a CSV file: {','.join(columns)}.") from error


def write_table(rows: Iterable[Sequence[object]], file: Path) -> None:
    """Write rows, the header first, for `read_table`; names that are no UTF-8 keep their bytes. Raises OSError."""
    csv.writer(text := io.StringIO(), lineterminator="\n").writerows(rows)
    write_text_whole(text.getvalue(), file)


def correct_labels(photos: Sequence[LabelledPhoto], folder: Path, file: Path) -> list[LabelledPhoto]:
    """The photos with the labels that `file` (path,label) gives some of them, in the same order. Raises DataError."""
    corrected: dict[str, str] = {}
    for row in read_table(file, ("path", "label"), folder):
        if corrected.setdefault(row["path"], row["label"]) != row["label"]:
            raise DataError(
                f"{file} has two lines for {row['path']}, with the labels {corrected[row['path']]} and {row['label']}. "
                "Remove one of them."
            )
    unknown = sorted(corrected.keys() - {photo.path.relative_to(folder).as_posix() for photo in photos})
    if unknown:
        raise DataError(
            f"{file} corrects the label of {len(unknown)} photos that are not in {folder}, the first is {unknown[0]}."
        )
    bare = [path for path, label in corrected.items() if not label]
    if bare:
        raise DataError(f"{file} gives no label for {bare[0]}. Fill it in, or remove the line.")
    labels = sorted({photo.label for photo in photos})
    wrong = sorted(set(corrected.values()) - set(labels))
    if wrong:
        raise DataError(f"{file} gives labels that no folder has: {', '.join(wrong)}. There are {', '.join(labels)}.")
    return [
        replace(photo, label=corrected.get(photo.path.relative_to(folder).as_posix(), photo.label)) for photo in photos
    ]
