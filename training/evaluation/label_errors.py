"""Photos whose label is likely wrong, by confident learning on answers of nets that did not learn from them."""

from __future__ import annotations

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray

MOST = 0.03
"""Share of the photos that the list names at most: a person looks at each."""


def find_label_errors(targets: NDArray[np.int64], probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """Numbers of the photos whose label is likely wrong, the likeliest first, at most MOST of them.

    `targets` are the labels' numbers, int64 `[photos]`; `probabilities` float32 `[photos, labels]`, of each photo by a
    net that did not learn from it, rows summing to 1. Candidates are the photos to which another label is likelier,
    ranked by how much likelier than their own (cleanlab's normalised margin; Northcutt, Jiang and Chuang 2021,
    "Confident Learning: Estimating Uncertainty in Dataset Labels").
    """
    ranked = find_label_issues(
        targets,
        probabilities.astype(np.float64) / probabilities.sum(1, dtype=np.float64, keepdims=True),
        filter_by="predicted_neq_given",
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    return np.asarray(ranked, np.int64)[: int(MOST * len(targets))]
