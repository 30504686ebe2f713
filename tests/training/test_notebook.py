"""The notebook for a lent GPU, run from its first cell to its last, on the CPU."""

from __future__ import annotations

import shutil
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.datasets import draw_photos
from tests.support.paths import ROOT

NOTEBOOK = ROOT / "training" / "notebook.ipynb"
OPTIONS = "--arch efficientnet_lite0 --outsiders none --epochs 1 --size 64 --batch-size 8"


def test_no_output_is_kept_in_it() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert cell.cell_type == "markdown" or (not cell.outputs and cell.execution_count is None)


def read_installed(package: str) -> tuple[str, float]:
    """Version of an installed package, and when its files were written."""
    record = distribution(package).locate_file(f"{package}/version.py")
    return version(package), Path(str(record)).stat().st_mtime


@pytest.mark.parametrize("package", ["torch", "torchvision", "fastai"])
def test_the_package_of_a_lent_machine_may_stay(package: str) -> None:
    """An exact version in the file that the notebook installs would put another in its place."""
    lines = (ROOT / "requirements-train.txt").read_text().splitlines()
    (requirement,) = (Requirement(line) for line in lines if line.startswith(package) and line[len(package)] in "<>=~!")
    release = Version(version(package))
    for other in (str(release), f"{release.major}.{release.minor}.{release.micro + 1}"):
        assert requirement.specifier.contains(other)


def test_it_runs_from_a_zip_of_photos_to_a_file_that_names_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code"
    for name in ("bot", "training", "export"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements-bot.txt", "requirements-train.txt"):
        shutil.copy(ROOT / name, code)
    photos = draw_photos(tmp_path / "photos", classes=2, each=12, twins=0)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        for photo in photos.rglob("*.jpg"):
            file.write(photo, photo.relative_to(photos))
    monkeypatch.setenv("LABELGRAM_PHOTOS", str(tmp_path / "photos.zip"))
    monkeypatch.setenv("LABELGRAM_TRAIN_OPTIONS", OPTIONS)
    monkeypatch.setenv("LABELGRAM_EXPORT_OPTIONS", "")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(code / "training")}})
    installed = read_installed("torch"), read_installed("torchvision")
    client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    (install,) = (line.split() for line in text.splitlines() if line.startswith("$") and " pip install " in line)
    assert install[2:] == ["-m", "pip", "install", "--quiet", "-r", "requirements-train.txt"]  # upgrades nothing
    assert f"\nPyTorch {version('torch')}" in text  # a build's own mark, such as +cu130, may follow
    assert (read_installed("torch"), read_installed("torchvision")) == installed
    assert "red: " in text
    assert "artifacts/pets.onnx" in text
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4
    with zipfile.ZipFile(code / "pets.zip") as file:
        assert file.namelist() == ["pets.onnx", "pets.md"]
