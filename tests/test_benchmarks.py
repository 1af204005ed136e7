"""The pages of the benchmarks say what was measured, and nothing that was changed since."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import textwrap
import zipfile
from importlib.metadata import version

import numpy as np
import pytest
import torch
from few_packages import run_with_only

import explain
from benchmarks import (
    attn_lrp,
    bar,
    bert_calls,
    calibration,
    cuda,
    first_call,
    metric_calls,
    metrics,
    path_gradients,
    report,
)
from benchmarks.calibration_networks import networks
from benchmarks.cases import CASES
from benchmarks.on_device.state import changes, planted, state_of
from explain.metrics import names


def test_the_page_of_results_is_the_one_that_its_figures_give(tmp_path):
    shutil.copy(report.FOLDER / "results.json", tmp_path)
    report.write(tmp_path)
    assert (tmp_path / "results.md").read_text() == (report.FOLDER / "results.md").read_text()


@pytest.mark.parametrize(
    "name",
    sorted(
        page.name.removesuffix(".md.jinja")
        for page in report.FOLDER.glob("*.md.jinja")
        if page.with_name(page.name.replace(".md.jinja", ".json")).exists() and "results" not in page.name
    ),
)
def test_a_page_of_figures_is_the_one_that_its_figures_give(name):
    results = json.loads((report.FOLDER / f"{name}.json").read_text())
    assert report.page(f"{name}.md.jinja", **results) == (report.FOLDER / f"{name}.md").read_text()


def test_every_model_has_its_first_calls():
    results = json.loads((report.FOLDER / "first_call.json").read_text())
    assert {name.split(",")[0] for name in results["models"]} == set(first_call.CASES)


def test_the_table_of_attn_lrp_says_how_a_call_stands_beside_a_pass_and_beside_lxt():
    names = ("one pass", "lxt", "lrp", "deep_lift", "saliency")
    spread = {"median": 2.5, "quartiles": [2.0, 3.0], "rounds": 3}
    own = {
        "first": dict.fromkeys(names, 4.0),
        "seconds": dict.fromkeys(names, spread),
        "ratios": {method: {"one pass": spread} for method in ("lrp", "deep_lift", "saliency")},
        "versions": {"PyTorch": "2.13.0", "transformers": "5.24.0"},
        "threads": 2,
    }
    peers = {**own, "ratios": {"lrp": {"one pass": spread, "lxt": spread}}, "apart": {"lrp": 4e-7}}
    page = report.page(
        "attn_lrp.md.jinja",
        quick=True,
        machine="x86_64, 2 cores",
        sizes=bert_calls.SIZES,
        examples=bert_calls.EXAMPLES,
        tokens=bert_calls.TOKENS,
        bars=attn_lrp.BARS,
        found={"own": own, "peers": peers},
    )
    time, times = "2500 (2000–3000)", "2.50 (2.00–3.00)"
    assert f"| `deep_lift` | 4000 | {time} | {time} | {times} | 3.0 |" in page
    assert f"| `saliency` | 4000 | {time} | {time} | {times} | – |" in page
    assert f"| `lrp` | {time} | {time} | {times} | 1.2 | {time} | 4.0e-07 |" in page


def test_the_table_of_metrics_says_which_bars_are_met():
    def spread(median):
        return {"median": median, "quartiles": [median, median], "rounds": 3}

    row = {
        "points": 25,
        "at once": 64,
        "apart": 4e-7,
        "seconds": {"explain": spread(2.0), "Quantus": spread(5.0), "bare passes": spread(1.0)},
        "ratios": {
            "Quantus / explain": spread(2.5),
            "explain / bare passes": spread(2.0),
            "Quantus / bare passes": spread(5.0),
        },
    }
    page = report.page(
        "metrics.md.jinja",
        quick=False,
        machine="x86_64, 2 cores",
        bars={"least": metrics.LEAST, "most": metrics.MOST},
        tables={"1": {"deletion": row}},
        versions={"Quantus": "0.6.0", "PyTorch": "2.13.0", "NumPy": "2.4.6"},
        threads=2,
        examples="test sets",
    )
    assert "## 1 picture\n" in page
    cells = "| 2.50 (2.50–2.50) | yes | 2.00 (2.00–2.00) | **no** | 5.00 (5.00–5.00) | 4.0e-07 |"
    assert (
        f"| `deletion` | 25 | 2000 (2000–2000) | 5000 (5000–5000) | 1000 (1000–1000), 64 at once {cells}"
        in page
    )


def test_the_metrics_beside_quantus_are_metrics():
    assert set(metrics.METRICS) == set(metric_calls.METRICS) == set(metric_calls.OPTIONS)
    assert set(metrics.METRICS) <= set(names())


def test_results_in_the_repository_are_of_a_run_in_earnest():
    for name in ("results", "calibration", "family", "first_call", "attn_lrp", "metrics"):
        assert json.loads((report.FOLDER / f"{name}.json").read_text())["quick"] is False


@pytest.mark.parametrize(("kind", "measured", "met"), [("at least", 2.5, True), ("at most", 1.4, False)])
def test_a_bar_is_met_by_what_was_measured_alone(kind, measured, met):
    slow, fast = {"median": measured, "quartiles": [1.0, 3.0]}, {"median": 1.0, "quartiles": [1.0, 1.0]}
    pictures = {"case": {"framework": "torch"}, "ratios": {"explain / Captum": slow}}
    ratios = {
        f"Captum, {which} / explain, automatic": {**ratio, "rounds": 20}
        for which, ratio in (("default", {**slow, "median": 5.0}), ("best chunk", slow))
    }
    ratios["explain, the peer's steps / bare loop"] = {**fast, "rounds": 20}
    found = bar.rows(
        {"cases": {"cifar_keras-torch": {"ratios": ratios}}, "overhead": {"one": pictures}, "memory": {}},
        {},
    )
    (row,) = [row for row in found if row["measured"] == measured and row["kind"] == kind]
    assert row["met"] is met


def test_the_bar_of_other_runs_is_that_of_their_worst_figure():
    def ratio(median):
        return {"median": median, "quartiles": [median, median]}

    def table(count, *medians):
        both = zip(("Captum, default", "Captum, best"), medians, strict=False)
        methods = {"occlusion": {"ratios": {theirs: ratio(median) for theirs, median in both}}}
        return {"network": "cifar_net", "count": count, "methods": methods}

    def total(networks, tolerance, covered, over):
        return {"networks": networks, "tolerance": tolerance, "covered": covered, "ratio": over}

    nothing = {"cases": {}, "overhead": {}, "memory": {}}
    orders = [
        {"model": "resnet18", "method": "saliency", "side": side, "images": 1, "ratio": side / 100}
        for side in (64, 224)
    ]
    others = {
        "family": {"tables": [table(1, 1.2, 1.1), table(8, 0.1, 0.1), table(32, 2.0, 1.4)]},
        "first_call": {
            "by_hand": {"cifar_net, saliency": {"ratio": ratio(1.4)}, "lstm, saliency": {"ratio": ratio(1.2)}}
        },
        "calibration": {
            "totals": [
                total("tuned on", 0.02, 0.9, 1.3),
                total("judged on", 0.02, 0.9, 1.4),
                total("judged on", None, 0.96, None),
                total("judged on, golden nodes", None, 0.5, 3.0),
                total("judged on, other nodes", 0.02, 0.9, 0.7),
            ]
        },
        "scaling": {
            "growth": [{"examples": 8, "ratio": 1.0}, {"examples": 2048, "ratio": 1.2}],
            "memory": [{"examples": 64, "points": 50, "grown": 3, "need": 2}],
            "large": {"a picture": {"grown": 5}},
            "budget": 4,
            "orders": orders,
        },
    }
    rows = {(row["source"], row["measured"]): row for row in bar.rows(nothing, others)}
    assert {key: (row["bound"], row["met"]) for key, row in rows.items()} == {
        ("scaling", 1.2): (1.1, False),
        ("scaling", 1.5): (1.5, True),
        ("scaling", 1.25): (1.0, False),
        ("scaling", 2.24): (1.05, False),
        ("family", 1.2): (1.0, True),
        ("family", 1.4): (1.5, False),
        ("first_call", 1.4): (1.3, False),
        ("calibration", 1.3): (1.35, True),
        ("calibration", 1.4): (1.35, False),
        ("calibration", 0.96): (0.95, True),
        ("calibration", 0.5): (0.95, False),
        ("calibration", 3.0): (1.35, False),
    }
    assert "(cifar_net, 32)" in rows["family", 1.4]["what"]
    assert "224²" in rows["scaling", 2.24]["what"]


@pytest.mark.parametrize(
    ("median_error", "expected"),
    [(lambda tolerance: 0.7 * tolerance, 1.1**3), (lambda tolerance: 1.2 * tolerance, 1.1**-2)],
)
def test_the_largest_tolerance_to_the_peers_error_is_found(monkeypatch, median_error, expected):
    def once(workplace, case, where, tool, settings):
        return np.array([[1 + median_error(settings["tolerance"])]])

    monkeypatch.setattr(path_gradients, "once", once)
    found = path_gradients.largest_tolerance(None, CASES[0], np.ones((1, 1)), 0.05)
    assert found == pytest.approx(0.05 * expected)


def test_no_tolerance_is_told_where_none_is_small_enough(monkeypatch):
    monkeypatch.setattr(path_gradients, "once", lambda *about: np.array([[2.0]]))
    assert path_gradients.largest_tolerance(None, CASES[0], np.ones((1, 1)), 0.05) is None


def test_the_reference_of_the_calibration_is_the_midpoint_rule():
    (network, *_) = networks(4, 1, ["random CNN, GELU"])
    targets = network.logits(torch.from_numpy(network.x)).argmax(1)
    exact = calibration.integrated(network, targets, 50)
    ours = explain.attribute(network.model, network.x, n_steps=50, rule="midpoint", target=targets.tolist())
    np.testing.assert_allclose(ours.values, exact, rtol=1e-4, atol=1e-5)


def test_the_oracle_of_the_calibration_takes_the_first_nodes_that_are_enough():
    (network, *_) = networks(4, 1, ["random MLP, ReLU"])
    targets = network.logits(torch.from_numpy(network.x)).argmax(1)
    exact = calibration.integrated(network, targets, 2187)
    fewest = calibration.oracle_steps(network, targets, exact, 60)[0]
    for example, steps in enumerate(fewest):
        x, target = network.x[example : example + 1], [int(targets[example])]
        errors = {}
        for n_steps in (int(steps) - 1, int(steps), 60):
            ours = explain.attribute(network.model, x, n_steps=n_steps, rule="golden", target=target).values
            distance = np.linalg.norm(ours - exact[example]) / np.linalg.norm(ours)
            errors[n_steps] = distance
        assert errors[int(steps) - 1] > calibration.TOLERANCES[0]
        assert max(errors[int(steps)], errors[60]) <= calibration.TOLERANCES[0]


def test_the_transformer_of_the_calibration_is_the_one_of_the_zoo():
    (network,) = networks(5, 1, ["names_transformer"])
    model = explain.zoo.load("names_transformer", framework="torch").eval()
    distances = np.linalg.norm(network.x[:, :, None] - model.embedding.weight.detach().numpy(), axis=-1)
    ids = torch.from_numpy(distances.argmin(axis=-1))
    with torch.no_grad():
        expected = model(ids)
        found = network.logits(torch.from_numpy(network.x))
    torch.testing.assert_close(found, expected)


# What the machine with a GPU has; a folder of pure wheels has the rest.
THERE = ("torch", "numpy", "scipy", "scikit-image", "scikit-learn", "matplotlib", "safetensors", "psutil")


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """Run `benchmarks.cuda` in small on the CPU, with few packages and without an installation."""
    folder = tmp_path_factory.mktemp("cuda")
    arguments = ["-m", "benchmarks.cuda", "--device", "cpu", "--small", "--wheels", str(folder)]
    ran = run_with_only([*THERE, "captum"], [*arguments, "--out", str(folder / "results-cuda.json")])
    return ran, folder


def test_the_script_for_a_gpu_runs_in_small_on_the_cpu(tried):
    ran, folder = tried
    results = json.loads((folder / "results-cuda.json").read_text())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert results["quick"]
    assert results["left out"] == []
    parts = results["parts"]
    assert all(part["passed"] for part in parts.values())
    names = {method.name for method in explain.methods()}
    for model in ("CNN", "LSTM", "attention"):
        for precision in ("float32", "bfloat16 autocast", "float64"):
            methods = parts[f"{model}, {precision}"]["methods"]
            assert set(methods) >= names - {"xrai"}
            assert not any(one["changed"] for one in methods.values())
            # Refused on both sides: no attention, or a map over one place only.
            refused = {name for name, one in methods.items() if "refused" in one}
            assert not refused & {"saliency", "integrated_gradients", "deep_lift", "lrp", "occlusion"}
    assert parts["CNN, float32"]["methods"]["saliency"]["median"] <= 1e-5
    assert 1e-3 <= parts["CNN, bfloat16 autocast"]["methods"]["saliency"]["median"] <= 0.2
    assert "at most 32 points" in parts["out of memory, planted"]["warnings"][0]
    assert parts["chunk size"]["found"] >= 1
    measured = parts["integrated gradients, cifar_net"]["ratios"]
    assert measured["explain, the peer's steps / bare loop"]["median"] > 0
    assert measured["Captum, default / explain, automatic"]["median"] > 0
    assert "explain / Captum" in parts["saliency of one picture, cifar_net"]["ratios"]
    assert parts["every method, batch of 1"]["methods"]


def test_the_page_of_a_gpu_shows_what_was_measured(tried):
    _, folder = tried
    page = (folder / "cuda.md").read_text()
    results = json.loads((folder / "results-cuda.json").read_text())
    assert results["device"] in page
    for name in results["parts"]:
        assert name in page
    assert page == cuda.page(folder / "results-cuda.json")


def test_without_captum_its_ratios_stay_empty_and_a_run_keeps_to_its_time(tmp_path):
    code = """
        import sys
        from benchmarks import cuda
        from benchmarks.on_device import ratios
        (case,) = [case for case in ratios.cases("cpu", small=True) if case.model == "cifar_net"]
        print(*ratios.integrated(case, small=True)["ratios"], sep=";")
        print(*ratios.saliency(case, small=True)["ratios"], sep=";")
        print(ratios.methods("cpu", 1, small=True)["methods"])
        sys.exit(cuda.main(["--device", "cpu", "--small", "--limit-s", "10.5", "--out", sys.argv[3]]))
    """
    ran = run_with_only([*THERE, "tqdm"], ["-c", textwrap.dedent(code), str(tmp_path / "results-cuda.json")])
    lines = ran.stdout.splitlines()
    assert lines[:3] == ["explain, the peer's steps / bare loop", "explain / bare", "{}"], ran.stderr
    results = json.loads((tmp_path / "results-cuda.json").read_text())
    # The first part had less time than it needs, and the others none.
    assert ran.returncode == 1
    assert "not finished after" in results["parts"]["CNN, float32"]["error"]
    assert results["left out"][-1] == "every method, batch of 1"
    assert "captum" not in results["versions"]
    assert "Captum was not there" in (tmp_path / "cuda.md").read_text()


def test_a_part_that_fails_is_noted_and_does_not_end_the_run(monkeypatch, tmp_path):
    def broken():
        raise ArithmeticError("no such kernel")

    # The run switches it off; it is put back after the test.
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", torch.backends.cudnn.allow_tf32)
    monkeypatch.setattr(cuda, "parts", lambda device, small: [("a", broken), ("b", lambda: {"passed": True})])
    out = tmp_path / "results-cuda.json"
    assert cuda.main(["--device", "cpu", "--small", "--out", str(out)]) == 1
    parts = json.loads(out.read_text())["parts"]
    assert parts["a"]["error"] == "ArithmeticError: no such kernel"
    assert parts["b"]["passed"]
    assert "no such kernel" in (tmp_path / "cuda.md").read_text()


def test_wheels_are_imported_without_being_installed(tmp_path):
    wheel = tmp_path / "acme-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr(
            "acme.py", "from pathlib import Path\nTEXT = (Path(__file__).with_name('acme.txt')).read_text()"
        )
        packed.writestr("acme.txt", "data of the package")
        packed.writestr("acme-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    before = list(sys.path)
    with cuda.unpacked([wheel]):
        assert importlib.import_module("acme").TEXT == "data of the package"
        assert version("acme") == "1.0"
    del sys.modules["acme"]
    assert sys.path == before


def test_the_page_of_a_gpu_is_the_one_that_its_figures_give():
    assert cuda.page(report.FOLDER / cuda.RESULTS) == (report.FOLDER / cuda.PAGE).read_text()


def test_what_a_call_changes_is_named():
    model = planted(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Dropout()))
    before = state_of(model, torch.device("cpu"))
    assert changes(before, state_of(model, torch.device("cpu"))) == []
    model[1].eval()
    model[0].register_forward_hook(print)
    model[0].weight.data.add_(1)
    model[0].bias.grad.zero_()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.rand(1)
        after = state_of(model, torch.device("cpu"))
    assert changes(before, after) == ["modes", "hooks", "gradients", "weights", "random state of PyTorch"]
