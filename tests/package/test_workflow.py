"""The workflow for CI: its steps are make targets that exist, and it covers what the package claims to support."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
JOBS = WORKFLOW["jobs"]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def targets():
    """Every target of the Makefile."""
    rules = re.findall(r"^([\w\-./ ]+):(?!=)", MAKEFILE, re.MULTILINE)
    return {target for rule in rules for target in rule.split()}


def commands_of(job):
    """The lines that a job runs, with each of its matrix's values in place."""
    matrix = job.get("strategy", {}).get("matrix", {})
    for values in itertools.product(*matrix.values()):
        for step in job["steps"]:
            command = step.get("run", "")
            for name, value in zip(matrix, values, strict=True):
                command = command.replace(f"${{{{ matrix.{name} }}}}", value)
            yield from command.splitlines()


@pytest.mark.parametrize("name", JOBS)
def test_every_step_is_a_make_target_that_exists(name):
    commands = list(commands_of(JOBS[name]))
    assert commands
    for command in commands:
        make, *wanted = command.split()
        assert make == "make"
        assert wanted
        assert set(wanted) <= targets(), f"{command}: no such target in the Makefile"


@pytest.mark.parametrize("name", JOBS)
def test_every_other_step_is_an_action_of_a_fixed_version(name):
    uses = [step["uses"] for step in JOBS[name]["steps"] if "run" not in step]
    assert uses[0].startswith("actions/checkout@")
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", one) for one in uses)


def test_each_python_runs_each_framework_alone_and_both():
    matrix = JOBS["tests"]["strategy"]["matrix"]
    assert matrix["target"] == ["test-torch", "test-tensorflow", "test"]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert matrix["python"] == stated
    assert project["requires-python"] == f">={stated[0]}"


def test_ci_of_the_repository_runs_the_same_targets():
    called = re.findall(
        r"^make (?:--\S+ )*(.+)$", (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert called == ["test", "docs", "test-browser", "package"]
    assert set(called) <= {
        command.removeprefix("make ") for job in JOBS.values() for command in commands_of(job)
    }
    assert set(called) <= targets()


def test_no_job_may_write():
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_the_page_of_methods_names_a_target_that_makes_it():
    template = REPOSITORY / "src" / "explain" / "benchmark_page" / "page.html"
    (named,) = set(re.findall(r"<code>make ([\w-]+)</code>", template.read_text(encoding="utf-8")))
    (command,) = re.findall(rf"^{named}:.*\n\t\$\(BIN\)/explain (.+)$", MAKEFILE, re.MULTILINE)
    assert command == "benchmark --zoo --full --out benchmark-full.html"
