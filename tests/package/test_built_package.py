"""What is published: the sdist and the wheel made from it, their files, and the page that the registry shows."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

import explain

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
IN_GIT = (REPOSITORY / ".git").exists()
# What a run of the tests leaves in an unpacked sdist, where git does not say what belongs to it.
MADE_BY_TESTS = {"__pycache__", ".pytest_cache", ".hypothesis", ".ruff_cache", ".mypy_cache"}
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
HOME = "https://github.com/explain-toolkit/explain"
# Where a page finds a file of the repository, and a picture of it.
FILES, PICTURES = f"{HOME}/blob/main/", "https://raw.githubusercontent.com/explain-toolkit/explain/main/"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is built from what is in it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, REPOSITORY],
        check=True,
        capture_output=True,
        text=True,
    )
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return SimpleNamespace(sdist=sdist, wheel=wheel)


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def page(metadata):
    """The page that the registry shows: the body of the metadata."""
    return metadata.get_payload(decode=True).decode("utf-8")


def files_of_the_checkout():
    """The files that git tracks or would track; in an unpacked sdist, which git does not know, all that is there."""
    if not IN_GIT:
        return {
            str(path.relative_to(REPOSITORY))
            for path in REPOSITORY.rglob("*")
            if path.is_file() and not MADE_BY_TESTS & {*path.parts}
        } - {"PKG-INFO"}
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    names = listed.stdout.split("\0")
    return {name for name in names if name and (REPOSITORY / name).exists()}


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    of_the_package = {
        name.removeprefix("src/") for name in files_of_the_checkout() if name.startswith("src/explain/")
    }
    assert names == of_the_package
    kinds = {Path(name).suffix for name in names} | {Path(name).name for name in names}
    assert {".py", ".html", ".safetensors", ".png", ".md", ".json", "py.typed"} <= kinds


def test_the_sdist_has_every_file_of_the_repository(built):
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    if not IN_GIT:
        names = {name for name in names if not MADE_BY_TESTS & {*Path(name).parts}}
    assert names == files_of_the_checkout() | {"PKG-INFO"}


def test_the_registry_accepts_the_metadata(built):
    ran = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("PASSED") == 2


def test_every_link_of_the_registrys_page_is_absolute_and_leads_to_the_same_file(page):
    shown, written = LINK.findall(page), LINK.findall(README)
    assert len(shown) == len(written) > 20
    for (picture, link), (_, relative) in zip(shown, written, strict=True):
        if urlsplit(relative).scheme or relative.startswith("#"):
            assert link == relative
        else:
            assert link == (PICTURES if picture else FILES) + relative
            assert (REPOSITORY / relative.partition("#")[0]).exists()


def test_the_page_is_the_readme_but_for_its_links(page):
    assert LINK.sub("", page).strip() == LINK.sub("", README).strip()


def test_the_metadata_say_what_it_is(metadata):
    assert (metadata["Name"], metadata["Version"]) == ("explain-toolkit", explain.__version__)
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("Apache-2.0", ">=3.11")
    urls = dict(one.split(", ") for one in metadata.get_all("Project-URL"))
    assert urls.keys() == {"Homepage", "Documentation", "Changelog", "Source", "Issues"}
    assert all(url.startswith(HOME) for url in urls.values())
    assert {"torch", "tensorflow", "jax", "all"} <= set(metadata.get_all("Provides-Extra"))


def test_a_plain_installation_brings_no_framework(metadata):
    plain = [one for one in metadata.get_all("Requires-Dist") if "extra ==" not in one]
    assert len(plain) > 10
    assert not [one for one in plain if re.match(r"torch|tensorflow|keras|jax|captum|tf-explain", one)]


def test_the_wheel_has_the_command_the_plugin_and_the_extensions(built):
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/entry_points.txt"))
        lines = archive.read(name).decode().splitlines()
        assert any(one.endswith(".dist-info/licenses/LICENSE") for one in archive.namelist())
    assert "explain = explain.command_line.main:app" in lines
    assert "explain = explain.goldens.pytest_plugin" in lines
    for name, folder in {
        "torch": "torch_ext",
        "tensorflow": "tf_ext",
        "jax": "jax_ext",
        "numpy": "numpy_ext",
    }.items():
        assert f"{name} = explain.{folder}.extension:extension" in lines
