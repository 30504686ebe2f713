"""Pictures of none of the classes: generated, or from folders."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bot.inference.class_folders import OUTSIDER
from tests.support.datasets import draw_photo, draw_photos
from tests.support.training_runs import SMALL
from training.data.generated import GENERATORS, SIDE
from training.data.loading import load_photos
from training.data.outsiders import UNSEEN, Kind, find_kinds, part_kinds
from training.data.photos import DataError
from training.fitting.batches.dataloaders import (
    decode_pictures,
    find_training_kinds,
    get_labels,
    list_vocab,
    make_dataloaders,
    make_training_loaders,
)
from training.options import parse


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_draws_the_same_pictures_for_a_seed(name: str) -> None:
    pictures = []
    for seed in range(12):
        one, again = (Kind(name).draw(random.Random(seed)) for _ in "ab")
        assert (one.mode, one.size) == ("RGB", (SIDE, SIDE))
        assert np.array_equal(np.asarray(one), np.asarray(again))
        pictures.append(one.tobytes())
    assert len(set(pictures)) == 12
    sample = Kind(name).sample(3, seed=1)
    assert [image.tobytes() for image in sample] == [image.tobytes() for image in Kind(name).sample(3, seed=1)]
    assert sample[0].tobytes() != Kind(name).sample(1, seed=2)[0].tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two kinds, a file that is no photo, and a folder without any."""
    for kind in ("cups", "dogs"):
        (tmp_path / "outsiders" / kind).mkdir(parents=True)
        for seed in range(4):
            draw_photo((1, 1, 1), seed).save(tmp_path / "outsiders" / kind / f"{seed}.jpg")
    (tmp_path / "outsiders" / "dogs" / "note.jpg").write_text("hello")
    (tmp_path / "outsiders" / "empty").mkdir()
    return tmp_path / "outsiders"


def test_a_folders_kinds_come_on_top_of_the_generated_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_kinds("none") == []
    generated = find_kinds("generated")
    *same, cups, dogs = find_kinds(str(folder))
    assert same == generated
    assert (cups.name, dogs.name) == ("cups", "dogs")
    assert len(dogs.files) == 4
    assert "note.jpg: not a photo" in capsys.readouterr().out
    assert dogs.draw(random.Random(1)).size == (120, 90)
    assert len({image.tobytes() for image in dogs.sample(100, seed=1)}) == 4


def test_a_folder_that_cannot_be_used_is_refused(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"there is no folder .*nowhere. --outsiders takes none, generated, or a folder"
    ):
        find_kinds(str(folder / "nowhere"))
    with pytest.raises(DataError, match=r"holds no folder with photos. Put outsiders of one kind into a folder each"):
        find_kinds(str(folder / "cups"))
    (folder / "cups").rename(folder / "noise")
    with pytest.raises(DataError, match="noise has the name of a generated kind"):
        find_kinds(str(folder))


def test_folders_of_kinds_are_named_as_those_of_classes_are(folder: Path) -> None:
    """Letters in other bytes or another form make no other kind, and no hidden folder is one."""
    latin = os.fsdecode("caf\xe9".encode("latin-1"))
    (folder / "cups").rename(folder / latin)
    (folder / "dogs").rename(folder / ".thumbnails")
    *_, cafe = find_kinds(str(folder))
    assert cafe.name == "caf\xe9"
    assert len(cafe.sample(4, seed=1)) == 4
    recipe = replace(SMALL, outsiders=str(folder), unseen=("noise",))
    photos = load_photos(draw_photos(folder.parent / "photos", classes=2, each=10, twins=0), 42).photos
    decode_pictures(photos, recipe, [cafe], folder.parent)
    unseen = parse(["--data", "photos", "--out", "toy", "--unseen", f"noise,{latin}"]).unseen
    assert part_kinds(find_kinds(str(folder)), unseen, seed=1)[1][-1] == cafe
    (folder / ".thumbnails").rename(folder / "cafe\u0301")
    with pytest.raises(DataError, match="is a second folder of the kind caf\xe9"):
        find_kinds(str(folder))


def test_kinds_are_kept_out_of_training_by_name_or_by_lot(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = find_kinds(str(folder))
    trained_on, unseen = part_kinds(kinds, ("cups", "noise"), seed=1)
    assert {kind.name for kind in unseen} == {"cups", "noise"}
    assert sorted(kind.name for kind in [*trained_on, *unseen]) == sorted(kind.name for kind in kinds)
    drawn = part_kinds(kinds, (), seed=1)
    assert len(drawn[1]) == len(kinds) // UNSEEN
    assert part_kinds(kinds, (), seed=1) == drawn
    assert any(part_kinds(kinds, (), seed=seed)[1] != drawn[1] for seed in range(2, 6))
    assert part_kinds([], (), seed=1) == ([], [])
    with pytest.raises(DataError, match=r"there are no outsiders of the kind cats, only noise, clouds, .*cups, dogs"):
        part_kinds(kinds, ("cats",), seed=1)
    assert [kind.name for kind in part_kinds(kinds, ("cats", "cups"), seed=1)[1]] == ["cups"]
    assert "there are no outsiders of the kind cats, so they are not measured" in capsys.readouterr().out
    with pytest.raises(DataError, match="none is left to train on"):
        part_kinds(kinds, [kind.name for kind in kinds], seed=1)


def test_outsiders_are_one_more_class_and_never_validated_on(folder: Path, tmp_path: Path) -> None:
    photos = load_photos(draw_photos(tmp_path / "photos", classes=2, each=20, twins=0), 42).photos
    recipe = replace(SMALL, outsiders=str(folder), unseen=("dogs", "noise"), outsider_share=0.25)
    kinds = find_training_kinds(recipe)
    dls = make_training_loaders(decode_pictures(photos, recipe, kinds, tmp_path), photos, recipe)
    assert list_vocab(photos, kinds) == ["green", "red", OUTSIDER]
    assert get_labels(make_dataloaders(photos, ["green", "red", OUTSIDER], 8)) == ("green", "red")
    assert {kind.name for kind in kinds} == {*GENERATORS, "cups"} - {"noise"}
    assert [len(rows) for rows in dls.train.pictures.kinds] == [8 if kind.name != "cups" else 4 for kind in kinds]
    shown = torch.cat([targets for _, targets in dls.train]).tolist()
    assert 0.1 < shown.count(2) / len(shown) < 0.4
    seen = torch.cat([targets for _, targets in dls.valid]).tolist()
    assert seen == [int(photo.label == "red") for photo in photos if photo.held_out]
