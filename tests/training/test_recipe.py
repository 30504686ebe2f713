"""Recipes in files, and in the metadata of older ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from training.options import parse
from training.recipe import RECIPES, Recipe, RecipeError, load_recipe, read_fields

NEEDED = ("--data", "photos", "--out", "artifacts/pets")


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*.toml")), ids=lambda file: file.stem)
def test_every_recipe_of_a_shipped_model_is_one(file: Path) -> None:
    values = load_recipe(file.stem)
    assert asdict(Recipe(**values)) == asdict(Recipe()) | values
    assert isinstance(values["unseen"], tuple)


def test_an_option_goes_before_the_recipe_and_the_recipe_before_the_default(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('epochs = 9\nsize = 192\nunseen = ["text", "noise"]\n')
    options = parse([*NEEDED, "--recipe", str(file), "--size", "96"])
    assert (options.epochs, options.size, options.unseen) == (9, 96, ("text", "noise"))
    assert options.batch_size == Recipe().batch_size


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read. --recipe takes a file.toml, or one of .*mask"),
        (b"epochs = ", r"own.toml is not TOML: "),
        (b"\xff", r"own.toml is not TOML: "),
        (b"epochs = " + 100_000 * b"[", r"own.toml is not TOML: it is nested too deeply"),
        (b"epoch = 3\nlearning = 1", r"names epoch, learning, which no recipe has. It may name arch, .*epochs"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_refused_with_a_reason(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "own.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        parse([*NEEDED, "--recipe", str(file)])


def test_a_file_that_holds_what_differed_is_read_by_the_defaults_of_its_day() -> None:
    old = read_fields({"epochs": 9, "teacher": "teacher.pkl", "unseen": ["text"]})
    assert (old.epochs, old.unseen, old.ema, old.augment, old.keep) == (9, ("text",), 0.0, "light", "tuned")
    today = Recipe(epochs=9, ema=0.9)
    assert read_fields(asdict(today)) == today


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epochs = -1", "argument --epochs: -1 is below 0"),
        ('epochs = "four"', "argument --epochs: invalid"),
        ("batch_size = 2.5", "argument --batch-size: invalid"),
        ("dropout = 1.0", "argument --dropout: 1.0 is not below 1"),
        ('weights = ""', "argument --weights: it is empty. Give a value or leave the option out (see --help)"),
        ('keep = "best"', "argument --keep: invalid choice: 'best'"),
        ("size = [96, 192]", "argument --size: invalid"),
        ("size = 100000", "argument --size: 100000 is not below 1025"),
    ],
)
def test_a_value_that_its_option_does_not_take_is_refused_in_a_recipe_too(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(content)
    with pytest.raises(SystemExit):
        parse([*NEEDED, "--recipe", str(file)])
    assert f"--recipe {file}: error: {message}" in capsys.readouterr().err


@pytest.mark.parametrize("given", [("--split-seed", "-1"), ("--split-seed", "99999999999"), ("--seed", str(2**64))])
def test_a_seed_that_a_generator_would_not_take_is_refused_at_once(
    given: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse([*NEEDED, *given])
    assert f"argument {given[0]}: " in capsys.readouterr().err


def test_a_recipe_may_name_no_kinds(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("unseen = []\nseed = -3\n")
    options = parse([*NEEDED, "--recipe", str(tmp_path / "own.toml")])
    assert (options.unseen, options.seed) == ((), -3)
