"""The files around the package: what they claim is so, and they stay short enough to be read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from package.readme_examples import blocks_of, commands_of, needs_of, runner_of

import explain

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README, CHANGELOG, CONTRIBUTING, SECURITY = (
    (REPOSITORY / name).read_text(encoding="utf-8")
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
)
CITATION = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
TEMPLATES = sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
FORMS = [path for path in TEMPLATES if path.name != "config.yml"]


def test_one_version_everywhere():
    newest = re.search(r"^## \[(.+?)\]", CHANGELOG, re.MULTILINE).group(1)
    assert explain.__version__ == CITATION["version"] == newest


def test_the_changelog_and_the_way_in_are_short():
    # A page has about five hundred words.
    newest = re.split(r"^## \[", CHANGELOG, flags=re.MULTILINE)[1]
    assert len(newest.split()) <= 1000
    assert len(CONTRIBUTING.split()) <= 750


def test_the_changelog_speaks_of_what_a_user_calls():
    for name in re.findall(r"`explain\.(\w+(?:\.\w+)?)", CHANGELOG):
        found = explain
        for part in name.split("."):
            found = getattr(found, part)
    assert {line for line in CHANGELOG.splitlines() if line.startswith("### ")} >= {
        "### Results",
        "### Known limits",
    }


@pytest.mark.parametrize("text", [CONTRIBUTING, SECURITY], ids=["CONTRIBUTING.md", "SECURITY.md"])
def test_links_lead_to_files(text):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    assert links
    for link in links:
        assert "://" in link or (REPOSITORY / link).exists(), link


def test_the_commands_for_contributors_are_there():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`?\bmake (?:PYTHON=\S+ )?([a-z][a-z-]*)", CONTRIBUTING))
    assert {"install", "lint", "test", "test-torch", "test-tensorflow", "package"} <= named
    for target in named:
        assert re.search(rf"^(?:[\w-]+ )*{target}(?: [\w-]+)*:", makefile, re.MULTILINE), target
    files = re.findall(r"\.venv/bin/python(?: -m pytest)? (\S+\.py)", CONTRIBUTING)
    written_by_the_guide = "tests/algorithms/gradient/test_first_order_taylor.py"
    assert written_by_the_guide in files
    for file in files:
        assert file == written_by_the_guide or (REPOSITORY / file).exists(), file


def test_the_guide_has_what_the_way_to_a_first_method_says():
    guide = (REPOSITORY / "docs" / "guides" / "new-method.md").read_text(encoding="utf-8")
    languages = re.findall(r"^```(\w+)\n", guide, re.MULTILINE)
    assert languages[:3] == ["python", "diff", "python"]
    for file in re.findall(r"as `(\S+first_order_taylor\.py)`", CONTRIBUTING):
        assert f"`{file}`" in guide


def test_the_cpu_only_line_stands_beside_the_first_pip_line():
    lines = README.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("pip install"))
    assert "https://download.pytorch.org/whl/cpu" in lines[first]
    assert lines[first + 1].startswith('pip install "explain-toolkit[torch]"')
    assert lines[first + 2].startswith('pip install ".[torch]"')


def test_the_citation_has_what_the_format_asks_for():
    # Required by the schema of version 1.2.0: https://citation-file-format.github.io
    assert {"authors", "cff-version", "message", "title"} <= CITATION.keys()
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["authors"] == PROJECT["authors"]
    assert CITATION["repository-code"] == PROJECT["urls"]["Source"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_asks_for_what_is_needed(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form.keys() >= {"name", "description", "body"}
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    names = [field["id"] for field in asked]
    assert len(set(names)) == len(names) > 1
    assert all(field["attributes"]["label"] for field in asked)
    assert any(field.get("validations", {}).get("required") for field in asked)


def test_security_problems_are_not_reported_in_issues():
    links = yaml.safe_load(TEMPLATES[[path.name for path in TEMPLATES].index("config.yml")].read_text())
    private = f"{PROJECT['urls']['Source']}/security/advisories/new"
    assert private in [link["url"] for link in links["contact_links"]]
    assert f"({private})" in SECURITY


@pytest.mark.parametrize(
    "block", blocks_of(README, "python"), ids=lambda block: block.strip().splitlines()[-1][:30]
)
def test_the_wheel_runs_each_block_of_the_readme(block):
    assert callable(getattr(__import__("package.readme_examples", fromlist=["x"]), runner_of(block)))


def test_the_wheel_runs_each_command_that_it_can():
    needs = [needs_of(command) for command in commands_of(README)]
    assert all(one <= {"torch", "tensorflow", "the extra [tables]"} for one in needs)
    assert sum(one <= {"torch"} for one in needs) >= 2
    assert sum(one <= {"tensorflow"} for one in needs) >= 2
