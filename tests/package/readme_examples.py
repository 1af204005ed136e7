"""README's examples where the package is installed as a wheel with one framework, and nothing else.

``make wheel-torch`` and ``make wheel-tensorflow`` run it by the Python of such an environment::

    build/torch/bin/python -I tests/package/readme_examples.py torch

Every Python block and every ``explain`` command of README.md is either run, for this framework, or listed with the
reason why it needs more. A block that this file does not know is an error.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
OTHERS = {"torch": ("tensorflow", "keras", "tf_explain"), "tensorflow": ("torch", "captum")}

# What a block is known by, and the function below that runs it.
BLOCKS = {
    "def ig(framework)": "run_first_picture",
    'explain.attribute(model, x, method="ig")': "run_own_model",
    "explain.load_model(": "run_own_files",
    "explain.evaluate(": "run_evaluation",
    "explain.report(": "run_report",
    "explain.port(": "run_migration",
}
# The one expression of a block that needs an extra.
TABLE = ", a.to_dataframe()"
# What a command names, and what it then needs.
NEEDS = {
    "model.keras": "tensorflow",
    "@tensorflow": "tensorflow",
    "nets:build": "torch",
    "tabular.pt": "torch",
    "@torch": "torch",
    ".csv": "the extra [tables]",
}


def blocks_of(text: str, language: str) -> list[str]:
    """The code blocks of a language in a page."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def runner_of(block: str) -> str:
    """The name of the function that runs a block of README.md."""
    known = [runner for words, runner in BLOCKS.items() if words in block]
    if len(known) != 1:
        raise LookupError(
            f"BLOCKS in {__file__} has {len(known)} entries for this block of README.md:\n{block}"
        )
    return known[0]


def commands_of(text: str) -> list[str]:
    """The ``explain`` commands of a page, without the gallery, which takes minutes."""
    lines = [line.split(" #")[0].strip() for block in blocks_of(text, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("explain ") and not line.startswith("explain gallery")]


def needs_of(command: str) -> set[str]:
    """What a command needs besides the package itself."""
    return {needed for named, needed in NEEDS.items() if named in command}


def small_model(framework: str, seed: int):
    """A small network on pictures (N, 3, 32, 32) with five classes."""
    if framework == "torch":
        import torch

        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 5, stride=3),
            torch.nn.Tanh(),
            torch.nn.Flatten(),
            torch.nn.Linear(400, 5),
        )
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((3, 32, 32)),
            layers.Permute((2, 3, 1)),
            layers.Conv2D(4, 5, strides=3, activation="tanh"),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )


def run_first_picture(block: str, framework: str) -> str:
    # The other half of the pair is drawn from the framework that is there.
    exec(compile(re.sub('"(torch|tensorflow)"', repr(framework), block), "README.md", "exec"), {})
    from PIL import Image

    assert min(Image.open("readme.png").size) > 100
    return ""


def run_own_model(block: str, framework: str) -> str:
    import numpy as np

    import explain

    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    model = small_model(framework, 0)
    names = {"model": model, "x": x, "b": explain.attribute(model, x, "saliency")}
    exec(compile(block, "README.md", "exec"), names)
    assert names["a"].values.shape == x.shape
    assert names["m"].values.shape == (1, 3, 32, 32)
    assert np.array_equal(explain.load("a.npz").values, names["a"].values)
    return ""


def run_own_files(block: str, framework: str) -> str:
    if framework == "torch":
        return "needs tensorflow"
    import explain

    names = {"explain": explain}
    assert block.count(TABLE) == 1
    exec(compile(block.replace(TABLE, ""), "README.md", "exec"), names)
    assert names["a"].target == (0, 0)
    assert names["a"].display.example_names == ("one.png", "two.png")
    return "ran, without to_dataframe, which needs the extra [tables]"


def run_evaluation(block: str, framework: str) -> str:
    import numpy as np

    import explain

    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    model = small_model(framework, 0)
    names = {"explain": explain, "model": model, "x": x, "a": explain.attribute(model, x, "ig")}
    exec(compile(block, "README.md", "exec"), names)
    assert names["e"]["deletion"].count == 2
    return ""


def run_report(block: str, framework: str) -> str:
    import numpy as np

    import explain

    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    model = small_model(framework, 0)
    names = {"explain": explain, "model": model, "a": explain.attribute(model, x, "ig")}
    exec(compile(block, "README.md", "exec"), names)
    assert explain.reports.verify("report.html", model).passed
    assert not explain.reports.verify("report.html", small_model(framework, 1)).passed
    return ""


def run_migration(block: str, framework: str) -> str:
    # Both models are of the framework that is there: weights are copied and compared within one, too.
    import numpy as np

    import explain

    names = {
        "explain": explain,
        "torch_model": small_model(framework, 0),
        "keras_model": small_model(framework, 1),
        "x": np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32),
    }
    exec(compile(block, "README.md", "exec"), names)
    assert names["report"].passed
    assert "<html" in Path("migration.html").read_text(encoding="utf-8")
    return ""


def check_environment(framework: str) -> None:
    """Make sure that the wheel is installed, and the other framework is not."""
    import explain

    installed = Path(sysconfig.get_path("purelib")).resolve()
    assert installed in Path(explain.__file__).resolve().parents, f"{explain.__file__} is not in {installed}"
    there = [name for name in OTHERS[framework] if importlib.util.find_spec(name)]
    assert not there, f"{', '.join(there)} can be imported beside {framework}"


def show(example: str, outcome: str) -> None:
    print(f"{outcome}: {example.split('  #')[0].strip()}", flush=True)


def run_blocks(readme: str, framework: str) -> None:
    """Run the Python blocks in the current folder, as far as this framework can, and say how far that is."""
    for block in blocks_of(readme, "python"):
        lacking = globals()[runner_of(block)](block, framework)
        show(
            next(line for line in block.splitlines() if any(one in line for one in BLOCKS)), lacking or "ran"
        )


def run_commands(readme: str, framework: str) -> None:
    """Run the commands in the current folder that this framework suffices for, and say what the others need."""
    for command in commands_of(readme):
        lacking = sorted(needs_of(command) - {framework})
        if not lacking:
            script, *arguments = shlex.split(command)
            subprocess.run(
                [Path(sysconfig.get_path("scripts")) / script, *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        show(command, f"needs {' and '.join(lacking)}" if lacking else "ran")


if __name__ == "__main__":
    (framework,) = sys.argv[1:]
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from own_files import write_files_of

    check_environment(framework)
    for run in (run_blocks, run_commands):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(write_files_of(framework, Path(folder)))
            run((REPOSITORY / "README.md").read_text(encoding="utf-8"), framework)
            os.chdir(REPOSITORY)
