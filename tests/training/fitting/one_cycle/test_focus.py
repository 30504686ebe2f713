"""Evidence in few cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.support.datasets import draw_photos
from tests.support.training_runs import SMALL
from training.data.loading import load_photos
from training.fitting.batches.dataloaders import decode_pictures, list_vocab
from training.fitting.batches.pixels import crop_middle, normalize, scale
from training.fitting.learner import train
from training.fitting.one_cycle.focus import measure_spread


def make_layer() -> nn.Linear:
    """Feature 0 speaks for class 0, feature 1 for class 1; there are two classes and something else."""
    layer = nn.Linear(2, 3)
    layer.requires_grad_(False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]))
        layer.bias.zero_()
    return layer


def make_maps(*cells: tuple[int, int], feature: int = 0) -> Tensor:
    maps = torch.zeros(1, 2, 4, 4)
    for row, column in cells:
        maps[0, feature, row, column] = 5.0
    return maps


def test_evidence_in_one_cell_is_not_spread_and_evidence_everywhere_is_spread_most() -> None:
    layer, first = make_layer(), torch.tensor([0])
    everywhere = [(row, column) for row in range(4) for column in range(4)]
    spreads = [
        float(measure_spread(make_maps(*cells), layer, first, 2)) for cells in ([(1, 2)], everywhere[:4], everywhere)
    ]
    assert spreads == pytest.approx([0, 0.5, 1], abs=1e-3)  # log 1, log 4 and log 16 in log 16


def test_only_what_speaks_for_the_true_class_counts() -> None:
    layer = make_layer()
    maps = make_maps((0, 0)) + make_maps((1, 1), (2, 2), (3, 3), (3, 0), feature=1)
    assert float(measure_spread(maps, layer, torch.tensor([0]), 2)) == pytest.approx(0, abs=1e-3)
    assert float(measure_spread(maps, layer, torch.tensor([1]), 2)) == pytest.approx(0.5, abs=1e-3)


def test_no_evidence_at_all_costs_nothing_and_has_a_gradient() -> None:
    maps = torch.zeros(1, 2, 4, 4, requires_grad=True)
    spread = measure_spread(maps, make_layer(), torch.tensor([0]), 2)
    spread.backward()
    assert spread.item() == pytest.approx(0, abs=1e-3)
    assert maps.grad is not None
    assert maps.grad.isfinite().all()


def test_a_training_with_focus_ends_with_evidence_in_fewer_cells(tmp_path: Path) -> None:
    """The same training twice; photos of one colour have it everywhere, so that much is to be gained."""
    photos = load_photos(draw_photos(tmp_path / "photos", classes=2, each=10, twins=0), 42).photos
    recipe = replace(SMALL, epochs=4, size=96, outsiders="generated")
    rows = torch.tensor([row for row, photo in enumerate(photos) if not photo.held_out])
    spreads = []
    for focus in (0.0, 3.0):
        (trained,) = train(photos, replace(recipe, focus=focus), tmp_path)
        pictures = decode_pictures(photos, recipe, [], tmp_path)
        assert list_vocab(photos, []) == sorted({photo.label for photo in photos})
        net = trained.learner.model.eval()
        assert not net[0]._forward_hooks  # noqa: SLF001  # it is left as it was, and can be exported
        with torch.no_grad():
            maps = net[0](normalize(scale(crop_middle(pictures.pixels[rows]))))
        spreads.append(measure_spread(maps, net[1][-1], pictures.targets[rows], 2).item())
    assert spreads[1] < 0.9 * spreads[0]
