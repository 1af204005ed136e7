"""The driver's side of the worker processes: each starts once and handles one request at a time."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Case
from benchmarks.examples import examples_of

ROOT = Path(__file__).resolve().parents[1]
OWN, PEERS = "own", "peers"
PYTHONS = {OWN: ROOT / ".venv/bin/python", PEERS: ROOT / "benchmarks/.venv-peers/bin/python"}


class WorkerError(RuntimeError):
    """A worker failed to handle a request; the message contains the worker's output."""


class WorkerProcess:
    """One persistent worker process.

    Parameters
    ----------
    environment : {"own", "peers"}
        The virtual environment.
    framework : {"torch", "tensorflow"}
        The framework of its contenders.
    folder : pathlib.Path
        The folder through which arrays are exchanged.
    device : {"cpu", "cuda"}
        With ``"cpu"``, GPUs are hidden from the process.
    """

    def __init__(self, environment: str, framework: str, folder: Path, device: str) -> None:
        surroundings = {
            **os.environ,
            # The peers' environment has the dependencies of `explain` but not `explain` itself.
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        if device == "cpu":
            surroundings["CUDA_VISIBLE_DEVICES"] = ""
        self._process = subprocess.Popen(
            [PYTHONS[environment], "-m", "benchmarks.worker", framework, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / f"{environment}-{framework}.log").open("ab"),
            cwd=ROOT,
            env=surroundings,
            text=True,
        )
        self._log = folder / f"{environment}-{framework}.log"
        self._answer()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        """Close the pipe and wait for the process to end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            tail = self._log.read_text(errors="replace")[-3000:]
            raise WorkerError(
                f"The worker ended with status {self._process.wait()}. Its log ends with: {tail}"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer


@dataclass(frozen=True)
class Contender:
    """A call that is prepared in a worker.

    Attributes
    ----------
    worker : WorkerProcess
        The worker.
    number : int
        The number of the call in the worker.
    facts : dict
        The facts about the map of the first call.
    values : numpy.ndarray
        The map of the first call.
    first_seconds : float
        The time of the first call, including one-time traces and probes.
    """

    worker: WorkerProcess
    number: int
    facts: dict[str, Any]
    values: npt.NDArray[Any]
    first_seconds: float

    def seconds(self, repeats: int = 1) -> float:
        """Time the call once: the mean over `repeats` consecutive calls, in seconds."""
        return float(self.worker.ask("time", number=self.number, repeats=repeats)["seconds"])

    def drop(self) -> None:
        """Delete the call in the worker."""
        self.worker.ask("drop", number=self.number)


class Workplace:
    """The workers of a run and the folder through which they exchange arrays; a context manager.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        The device of the models.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._temporary = tempfile.TemporaryDirectory(prefix="explain-benchmarks-")
        self.folder = Path(self._temporary.name)
        self._workers: dict[tuple[str, str], WorkerProcess] = {}
        self._ready: set[str] = set()

    def __enter__(self) -> Workplace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            worker.stop()
        self._temporary.cleanup()

    def worker(self, environment: str, framework: str) -> WorkerProcess:
        """Give the persistent worker of an environment and framework; start it on first use."""
        key = environment, framework
        if key not in self._workers:
            self._workers[key] = WorkerProcess(environment, framework, self.folder, self.device)
        return self._workers[key]

    def fresh_worker(self, environment: str, framework: str) -> WorkerProcess:
        """Start a new worker; the caller stops it."""
        return WorkerProcess(environment, framework, self.folder, self.device)

    def prepare(self, case: Case) -> npt.NDArray[Any]:
        """Write the examples of a case and their predicted classes, once, and give the examples."""
        path = self.folder / f"{case.name}-examples.npy"
        if case.name not in self._ready:
            np.save(path, examples_of(case))
            self.worker(OWN, case.framework).ask("predict", case=asdict(case))
            self._ready.add(case.name)
        found: npt.NDArray[Any] = np.load(path, allow_pickle=False)
        return found

    def make(
        self, environment: str, contender: str, case: Case, settings: Mapping[str, Any] | None = None
    ) -> Contender:
        """Prepare a contender in its persistent worker, with a first call that does not count in the timings."""
        self.prepare(case)
        worker = self.worker(environment, case.framework)
        answer = worker.ask("make", contender=contender, case=asdict(case), settings=dict(settings or {}))
        values = np.load(self.folder / "values.npy", allow_pickle=False)
        return Contender(worker, answer["number"], answer["facts"], values, answer["seconds"])
