"""TensorBoard itself, on a free port of this machine, and what it answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATIENCE = 60.0


@contextmanager
def tensorboard(log_dir: Path) -> Iterator[Server]:
    """Start TensorBoard on a folder, wait until it answers, and end it."""
    log = log_dir.parent / "tensorboard.log"
    arguments = ["--logdir", log_dir, "--host", "127.0.0.1", "--port", "0"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", *arguments], stdout=stream, stderr=stream
        )
    try:
        yield Server(_address(process, log))
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the address, which TensorBoard prints when it serves."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        said = log.read_text()
        found = re.search(r"http://127\.0\.0\.1:\d+/", said)
        if found:
            return found[0]
        assert process.poll() is None, said
        time.sleep(0.1)
    raise AssertionError(f"TensorBoard did not start: {log.read_text()}")


class Server:
    """What a running TensorBoard answers, by the paths of its data."""

    def __init__(self, address: str) -> None:
        self.address = address

    def bytes(self, path: str, **asked: Any) -> Any:
        query = f"?{urllib.parse.urlencode(asked)}" if asked else ""
        with urllib.request.urlopen(f"{self.address}data/plugin/{path}{query}", timeout=_PATIENCE) as answer:
            return answer.read()

    def json(self, path: str, **asked: Any) -> Any:
        return json.loads(self.bytes(path, **asked))

    def tags(self, plugin: str, runs: int) -> dict[str, set[str]]:
        """The tags of each run, once all runs are read."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            found = {run: set(tags) for run, tags in self.json(f"{plugin}/tags").items() if tags}
            if len(found) == runs:
                return found
            time.sleep(0.2)
        raise AssertionError(f"{plugin} has {found}")

    def scalars(self, run: str, tag: str) -> dict[int, float]:
        """The values of a tag by step."""
        return {step: value for _, step, value in self.json("scalars/scalars", run=run, tag=tag)}

    def images(self, run: str, tag: str) -> dict[int, Any]:
        """The files of a tag by step."""
        listed = self.json("images/images", run=run, tag=tag, sample=0)
        path = "images/individualImage"
        return {one["step"]: self.bytes(path, **dict(urllib.parse.parse_qsl(one["query"]))) for one in listed}
