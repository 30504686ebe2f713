"""How many processors the bot takes for its own, on control groups written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.startup.cgroups import count_cpus

Groups = dict[str, str]


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)


def count(folder: Path, own: str, files: Groups) -> float:
    (folder / "own").write_text(own)
    for name, text in files.items():
        file = folder / "mounted" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return count_cpus(folder / "mounted", folder / "own")


V1 = "4:memory:/\n3:cpu,cpuacct:/{group}\n"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "1600000 100000\n"}, 8),
        ("0::/pod/box\n", {"pod/box/cpu.max": "max 100000\n", "pod/cpu.max": "200000 100000\n"}, 2),
        ("0::/docker/3f\n", {"cpu.max": "50000 100000\n"}, 0.5),  # the group as its host names it, not seen from here
        (V1.format(group="box"), {"cpu/box/cpu.cfs_quota_us": "300000\n", "cpu/box/cpu.cfs_period_us": "100000\n"}, 3),
        (V1.format(group="3f"), {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        (V1.format(group=""), {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("0::/\n", {}, 8),
    ],
)
def test_a_containers_limit_counts_where_it_is_below_the_cores(
    tmp_path: Path, own: str, files: Groups, expected: float
) -> None:
    assert count(tmp_path, own, files) == expected


def test_without_control_groups_the_cores_count(tmp_path: Path) -> None:
    assert count_cpus(tmp_path / "none", tmp_path / "none") == 8
