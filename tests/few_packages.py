"""A fresh interpreter in which only some of the installed packages can be imported, as on another machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[1]

# Runs a module or code after it took the other packages away: neither they nor what is installed of them is found.
_PREAMBLE = """
import importlib.metadata, json, runpy, sys
from importlib.machinery import PathFinder
missing, distributions = map(set, json.loads(sys.argv[1]))


class Fewer(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if path is None and name in missing:
            # Another folder on the path may hold it, as that of unpacked wheels.
            path = [one for one in sys.path if "site-packages" not in one]
        return super().find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *context):
        found = importlib.metadata.MetadataPathFinder.find_distributions(*context)
        return (one for one in found if one.metadata["Name"].lower().replace("_", "-") in distributions)


sys.meta_path[:] = [Fewer if one is PathFinder else one for one in sys.meta_path]
del sys.argv[:2]
sys.argv[0:0] = ["-"]
if sys.argv[1] == "-c":
    exec(sys.argv[2], {"__name__": "__main__"})
else:
    module = sys.argv[2]
    del sys.argv[:2]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def run_with_only(packages, arguments, *, timeout=600, **environment):
    """Run ``-m MODULE …`` or ``-c CODE`` from the checkout, with the given packages and all that they need.

    The package of this project is imported from ``src`` and is not installed there.
    """
    kept = {name for package in packages for name in _needed(package)}
    missing = [
        top
        for top, owners in packages_distributions().items()
        if top != "explain" and not kept & {*map(_plain, owners)}
    ]
    return subprocess.run(
        [sys.executable, "-c", _PREAMBLE, json.dumps([missing, sorted(kept)]), *arguments],
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}", **environment},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def _needed(package, found=None):
    """Give the plain names of a package and of what it needs, without extras."""
    found = set() if found is None else found
    if _plain(package) in found:
        return found
    try:
        requires = distribution(package).requires or []
    except PackageNotFoundError:
        return found
    found.add(_plain(package))
    for requirement in map(Requirement, requires):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _needed(requirement.name, found)
    return found


def _plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()
