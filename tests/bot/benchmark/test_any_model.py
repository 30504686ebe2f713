"""`python -m bot benchmark` on models that know nothing of Labelgram, and the forms of its report."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import onnx
import pytest

from bot.benchmark.resources import measure_energy
from bot.benchmark.results.table import make_table
from bot.benchmark.statistics import ratio_of_runs
from bot.errors import describe_error
from tests.support.bot_process import BOT_PYTHON, RunBot, environment
from tests.support.graphs import write_graph
from tests.support.paths import ROOT
from tests.support.photos import COLORS, draw, encode

SHORT = ("benchmark", "--rounds", "2", "--photos", "2", "--warmup", "0", "--threads", "1")

GRAPHS: dict[str, tuple[list[str | int], dict[str, Any], str]] = {
    "torch": (["batch", 3, 64, 48], {}, "input: float32 NCHW, squeezed to 48x64, RGB 0 to 1, less ImageNet's mean"),
    "keras": (
        ["unk__1", 32, 32, 3],
        {"dtype": "uint8", "names": ("x:0", "Identity:0")},
        "uint8 NHWC, squeezed to 32x32",
    ),
    "open": (
        ["N", 3, "H", "W"],
        {"names": ("pixel_values", "logits")},
        "pixel_values: float32 NCHW, squeezed to 96x96",
    ),
    "grey": ([1, 1, 28, 28], {"names": ("Input3", "Plus214_Output_0")}, "squeezed to 28x28, grey 0 to 1"),
    "half": (["batch", 3, 40, 40], {"dtype": "float16"}, "input: float16 NCHW"),
    "beside": (["batch", 3, 40, 40], {"weights_beside": True}, "input: float32 NCHW, squeezed to 40x40"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_run_by_what_it_says_of_its_input(name: str, tmp_path: Path, run_bot: RunBot) -> None:
    shape, options, stated = GRAPHS[name]
    model = write_graph(tmp_path / f"{name}.onnx", shape, **options)
    out = tmp_path / "out.json"
    done = run_bot(*SHORT, "--size", "96", "--model", str(model), "--json", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(out.read_text())["rows"]
    assert row["file"] == str(model)
    assert row["file_bytes"] == sum(file.stat().st_size for file in tmp_path.iterdir() if file != out)
    assert stated in row["preprocessing"]
    assert stated in done.stdout
    for workload in row["workloads"].values():
        assert set(workload["seconds"]) == {"decode", "preprocess", "forward", "total"}


def test_batches_are_rows_and_photos_of_a_folder_are_taken(tmp_path: Path, run_bot: RunBot, color_model: Path) -> None:
    other = write_graph(tmp_path / "other.onnx", ["batch", 3, 32, 32])
    photos = tmp_path / "photos"
    photos.mkdir()
    for color in COLORS:
        (photos / f"{color}.jpg").write_bytes(encode(draw(color)))
    files = [("--json", "out.json"), ("--csv", "out.csv"), ("--markdown", "out.md"), ("--html", "out.html")]
    outputs = [part for option, file in files for part in (option, str(tmp_path / file))]
    models = ("--model", str(color_model), "--model", str(other))
    done = run_bot(*SHORT, *models, "--batch", "1,3", "--images", str(photos), "--seconds", "0.05", *outputs)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads((tmp_path / "out.json").read_text())
    rows = [(row["model"], row["batch"]) for row in results["rows"]]
    assert rows == [("colors.onnx", 1), ("colors.onnx", 3), ("other.onnx", 1), ("other.onnx", 3)]
    with (tmp_path / "out.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(Path(line["file"]).name, int(line["batch"])) for line in table] == rows
    for line in table:
        assert 0 < float(line["forward_p50_ms"]) <= float(line["total_p95_ms"])
        assert line["preprocessing"]
    markdown = (tmp_path / "out.md").read_text()
    assert "| other.onnx, 1 thread, batch 3 |" in markdown
    assert "other.onnx, 1 thread, batch 3" in (tmp_path / "out.html").read_text()


def test_files_of_any_kind_and_name_leave_the_report_whole(tmp_path: Path, run_bot: RunBot) -> None:
    model = write_graph(tmp_path / "a|b\nc.onnx", ["batch", 3, 32, 32])
    (tmp_path / "photos" / "class 0").mkdir(parents=True)
    (tmp_path / "photos" / "class 0" / "red.jpg").write_bytes(encode(draw("red")))
    os.mkfifo(tmp_path / "photos" / "class 0" / "pipe.jpg")
    out = tmp_path / "out.md"
    options = ("--model", str(model), "--images", str(tmp_path / "photos"), "--markdown", str(out))
    done = run_bot(*SHORT, *options)
    assert done.returncode == 0, done.stderr
    (row,) = (line for line in out.read_text().splitlines() if "1 thread" in line)
    assert row.startswith("| a\\|b\\nc.onnx, 1 thread |")
    assert " of 1 |" in row


def test_a_folder_whose_name_is_no_text_loses_no_measurement(tmp_path: Path, run_bot: RunBot) -> None:
    model = write_graph(tmp_path / "small.onnx", ["batch", 3, 24, 24])
    folder = tmp_path / os.fsdecode(b"f\xeate\x1b[5m")
    folder.mkdir()
    (folder / "one.jpg").write_bytes(encode(draw("blue")))
    (folder / "\x1b[7m.jpg").write_bytes(b"")
    table, numbers = tmp_path / "out.md", tmp_path / "out.json"
    table.write_text("of an earlier run")
    options = ("--images", str(folder), "--markdown", str(table), "--json", str(numbers))
    done = run_bot(*SHORT, "--model", str(model), *options)
    assert done.returncode == 0, done.stderr
    assert r"f\xeate\x1b[5m" in done.stdout
    assert "small.onnx, 1 thread" in table.read_text()
    assert [workload["name"] for workload in json.loads(numbers.read_text())["workloads"]] == [r"f\xeate\x1b[5m"]
    assert "\x1b" not in done.stdout + done.stderr


def test_what_a_models_author_named_reaches_no_terminal_as_it_is(tmp_path: Path, run_bot: RunBot) -> None:
    odd = "\x1b[2J\x1b]0;mine\a"
    models = {
        "runs": write_graph(tmp_path / "runs.onnx", ["batch", 3, 24, 24], names=(odd, "out")),
        "two inputs": write_graph(tmp_path / "two.onnx", ["batch", 3, 24, 24], names=(odd, "out"), inputs=2),
        "no channels": write_graph(tmp_path / "nine.onnx", ["batch", 24, 24, 9], names=(odd, "out")),
        "no such operation": write_graph(tmp_path / "odd.onnx", ["batch", 3, 24, 24]),
    }
    graph = onnx.load(models["no such operation"])
    graph.graph.node[0].op_type = odd
    onnx.save(graph, models["no such operation"])
    for case, model in models.items():
        done = run_bot(*SHORT, "--model", str(model))
        assert done.returncode == (0 if case == "runs" else 2), case
        assert "mine" in done.stdout + done.stderr, case
        assert not {"\x1b", "\a"} & set(done.stdout + done.stderr), case


def test_a_fixed_batch_is_measured_with_that_batch_alone(tmp_path: Path, run_bot: RunBot) -> None:
    model = write_graph(tmp_path / "four.onnx", [4, 3, 32, 32])
    done = run_bot(*SHORT, "--model", str(model))
    assert done.returncode == 2
    assert done.stderr.endswith("takes batches of 4. Measure it with --batch 4.\n")
    done = run_bot(*SHORT, "--model", str(model), "--batch", "4")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_no_image_classifier_gets_one_clear_line(tmp_path: Path, run_bot: RunBot) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("this is no model")
    cases = {
        "has 2 inputs (input, mask_1)": write_graph(tmp_path / "two.onnx", ["b", 3, 32, 32], inputs=2),
        "has no axis of 1 or 3 channels": write_graph(tmp_path / "seven.onnx", ["b", 32, 32, 7]),
        "is not an ONNX file": text,
        "scores that are no numbers (NaN)": write_graph(tmp_path / "nan.onnx", ["b", 3, 32, 32], scale=math.nan),
        "not a row of scores a photo": write_graph(tmp_path / "mean.onnx", ["b", 3, 32, 32], per_photo=False),
        "takes 30,000 MB": write_graph(tmp_path / "vast.onnx", ["b", 3, 50_000, 50_000]),
        "is not a file": tmp_path / "pipe.onnx",
    }
    os.mkfifo(tmp_path / "pipe.onnx")
    for message, model in cases.items():
        done = run_bot(*SHORT, "--model", str(model))
        assert (done.returncode, done.stdout) == (2, ""), message
        (line,) = done.stderr.splitlines()
        assert message in line
    done = run_bot(*SHORT, "--model", str(tmp_path / "two.onnx"), "--provider", "QuantumExecutionProvider")
    assert done.returncode == 2
    assert "the installed onnxruntime, which has" in done.stderr


def test_a_slower_run_than_before_ends_with_status_1(tmp_path: Path, run_bot: RunBot, color_model: Path) -> None:
    old, out = tmp_path / "old.json", tmp_path / "out.json"
    assert run_bot(*SHORT, "--model", str(color_model), "--json", str(old)).returncode == 0
    results = json.loads(old.read_text())
    for factor, status, verdict in ((1e-8, 1, "slower"), (1e5, 0, "quicker")):
        changed = json.loads(json.dumps(results))
        for sample in (sample for row in changed["rows"] for sample in row["samples"]):
            for workload in sample["seconds"].values():
                workload["total"] = [factor] * 3  # two rounds on a busy machine may differ tenfold
        out.write_text(json.dumps(changed))
        done = run_bot(*SHORT, "--model", str(color_model), "--compare", str(out))
        assert (done.returncode, done.stderr) == (status, "")
        assert f"  {verdict}\n" in done.stdout
    for row in results["rows"]:
        row["samples"] = row["samples"][:1]  # of which no interval can be told
    anonymous = {name: value for name, value in json.loads(old.read_text()).items() if name != "machine"}
    huge = json.dumps(changed).replace("100000.0", "9" * 400)
    odd = [json.dumps(changed).replace("100000.0", text) for text in ("5e-324", "1e300", "true", '"0.1"', "NaN")]
    odd += [json.dumps(changed | other) for other in ({"workloads": {"a": 1}}, {"workloads": ["a"]})]
    for text in (*odd, "{}", "[]", "no JSON", "[" * 100_000, huge, json.dumps(results), json.dumps(anonymous)):
        out.write_text(text)
        done = run_bot(*SHORT, "--model", str(color_model), "--compare", str(out))
        assert done.returncode == 2
        assert "is not a file that `--json` of this version wrote" in done.stderr


def test_what_is_unlike_is_not_compared(tmp_path: Path, run_bot: RunBot) -> None:
    model = write_graph(tmp_path / "open.onnx", ["batch", 3, "H", "W"])
    photos = {name: tmp_path / name / "photos" for name in ("small", "large")}
    for size, folder in zip(((64, 64), (640, 640)), photos.values(), strict=True):
        folder.mkdir(parents=True)
        picture = encode(draw("red", size), "BMP")
        (folder / "a.bmp").write_bytes(picture + bytes(1_300_000 - len(picture)))  # as large as the other
    old = tmp_path / "old.json"
    options = ("--model", str(model), "--size", "32")
    assert run_bot(*SHORT, *options, "--images", str(photos["small"]), "--json", str(old)).returncode == 0
    results = json.loads(old.read_text())
    for sample in results["rows"][0]["samples"]:
        sample["seconds"]["photos"]["total"] = [1e-8]  # whatever is compared is slower
    results["machine"]["cpu"] = "odd \x1b[2J"
    old.write_text(json.dumps(results))
    changed = ("--model", str(model), "--size", "64", "--images", str(photos["small"]), "--compare", str(old))
    done = run_bot(*SHORT, *changed)
    assert done.returncode == 2
    assert done.stderr == "bot: --compare: nothing in both runs is alike enough to be compared.\n"
    assert "the preprocessing is another" in done.stdout
    assert r"odd \x1b[2J" in done.stdout
    for change, message in (
        (("--size", "32", "--images", str(photos["large"])), "the earlier run was of other photos: photos."),
        (("--size", "32"), "the earlier run was of other photos: photos. Give the same --images, or none."),
        (("--batch", "2"), "no row of the earlier run is in this one"),
        (("--provider", "AzureExecutionProvider"), "the earlier run was by --provider CPUExecutionProvider"),
    ):
        done = run_bot(*SHORT, "--model", str(model), *change, "--compare", str(old))
        assert (done.returncode, done.stdout) == (2, "")  # told before anything is measured
        assert message in done.stderr


def test_a_models_own_names_keep_nobody_waiting_in_an_error() -> None:
    for name in ("/onnxruntime_src/", "x", "(", "a.cc:1 ", "a.cc:1 f("):
        assert len(describe_error(RuntimeError(f"[ONNXRuntimeError] : 1 : FAIL : {name * 200_000}"))) <= 200
    head = "/home/x/onnxruntime/core/graph/model.cc:181 void onnxruntime::f(const std::function<int(int)>&, T) const"
    assert describe_error(RuntimeError(f"[ONNXRuntimeError] : 1 : FAIL : {head} [with T = int] too new")) == "too new"
    assert describe_error(ValueError("a\n b")) == "a b"
    assert describe_error(ValueError()) == "ValueError"


def test_results_go_over_no_other_file_and_are_lost_to_no_screen(tmp_path: Path, run_bot: RunBot) -> None:
    model = write_graph(tmp_path / "-dash.onnx", ["batch", 3, 24, 24])
    twice = write_graph(tmp_path / "twice.onnx", ["batch", 3, 24, 24])
    before = model.read_bytes()
    out = tmp_path / "out.json"
    for outputs in (("--json", str(model)), ("--json", str(out), "--csv", str(out))):
        done = run_bot(*SHORT, "--model", str(model), *outputs)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is named twice" in done.stderr
    assert model.read_bytes() == before
    beside = write_graph(tmp_path / "beside.onnx", ["batch", 3, 24, 24], weights_beside=True)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(encode(draw("red"), "PNG"))
    read = [tmp_path / "beside.onnx.data", tmp_path / "photos" / "a.png"]
    held = [file.read_bytes() for file in read]
    for file, why in zip(read, ("may hold weights", "is in the folder of --images"), strict=True):
        options = ("--model", str(beside), "--images", str(tmp_path / "photos"), "--csv", str(file))
        done = run_bot(*SHORT, *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr
    assert [file.read_bytes() for file in read] == held
    command = [
        BOT_PYTHON,
        "-m",
        "bot",
        *SHORT,
        "--model",
        f"./{model.name}",
        "--model",
        twice.name,
        "--json",
        "out.json",
    ]
    with Path("/dev/full").open("w") as full:
        variables = environment(PYTHONPATH=str(ROOT))
        done = subprocess.run(command, cwd=tmp_path, env=variables, stdout=full, stderr=-1, text=True, check=False)
    assert done.returncode == 1
    results = json.loads(out.read_text())
    assert [row["file"] for row in results["rows"]] == ["-dash.onnx", "twice.onnx"]
    stated = [line for line in make_table(results).splitlines() if line.startswith("preprocessing of ")]
    assert [line.partition(": ")[0] for line in stated] == ["preprocessing of -dash.onnx, twice.onnx"]


def test_files_of_other_makers_are_run_or_refused_with_the_reason(tmp_path: Path, run_bot: RunBot) -> None:
    foreign = write_graph(tmp_path / "foreign.onnx", ["batch", 3, 24, 24])
    graph = onnx.load(foreign)
    onnx.helper.set_model_props(graph, {"contract": "acme-7"})
    onnx.save(graph, foreign)
    wide = write_graph(tmp_path / "wide.onnx", ["batch", 3, 24, 24])  # a side of its own: --size is not drawn
    for model, options in ((foreign, ()), (wide, ("--size", "1000000"))):
        done = run_bot(*SHORT, "--model", str(model), *options)
        assert (done.returncode, done.stderr) == (0, ""), model
    future = onnx.load(wide)
    future.ir_version = 99
    onnx.save(future, tmp_path / "future.onnx")
    done = run_bot(*SHORT, "--model", str(tmp_path / "future.onnx"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "Unsupported model IR version: 99" in done.stderr
    labels = onnx.load(wide)  # as scikit-learn's converter gives them: a label, then probabilities
    labels.graph.node.append(onnx.helper.make_node("ArgMax", ["output"], ["label"], axis=1, keepdims=0))
    outputs = [onnx.helper.make_tensor_value_info("label", onnx.TensorProto.INT64, ["batch"]), *labels.graph.output]
    for count, status in ((2, 0), (1, 2)):
        del labels.graph.output[:]
        labels.graph.output.extend(outputs[:count])
        onnx.save(labels, tmp_path / "labels.onnx")
        done = run_bot(*SHORT, "--model", str(tmp_path / "labels.onnx"))
        assert done.returncode == status, done.stderr
    assert "labels.onnx: the model gives label tensor(int64). A classifier gives a tensor of scores." in done.stderr


def test_runs_that_are_not_paired_are_compared_by_welch() -> None:
    found = ratio_of_runs([2.0, 2.2, 2.1], [1.0, 1.1, 1.05])
    assert found.value == pytest.approx(2)
    # log sd 0.04766 in both: standard error 0.03891, 4 degrees of freedom, t 2.776
    assert (found.low, found.high) == pytest.approx((2 * 0.8976, 2 * 1.1141), rel=1e-3)
    assert ratio_of_runs([1.0, 1.0], [2.0, 2.0]).high == 0.5


def test_energy_is_the_packages_sum_and_meters_that_wrap_go_on(tmp_path: Path) -> None:
    meters = [tmp_path / "intel-rapl:0", tmp_path / "intel-rapl:1"]
    for meter in meters:
        meter.mkdir()
        (meter / "energy_uj").write_text("900\n")
        (meter / "max_energy_range_uj").write_text("999\n")
    with measure_energy(tmp_path) as energy:
        (meters[0] / "energy_uj").write_text("950\n")
        (meters[1] / "energy_uj").write_text("100\n")
    assert energy() == pytest.approx((50 + 200) / 1e6)
    with measure_energy(tmp_path / "nowhere") as energy:
        pass
    assert energy() is None
