"""A framework in a process of its own, so that both frameworks explain at the same time.

The process reads requests from its standard input and answers on its standard output, one line of JSON for each; the
arrays are in files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from explain import errors
from explain.errors import ExplainError
from explain.gallery.asking import Answer
from explain.gallery.computation import Explainer, Question
from explain.results.attribution import Attribution, load
from explain.zoo.layers import Framework

# What each framework reads for the number of its threads.
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class FrameworkProcess:
    """A framework that answers questions in a process of its own, one after another.

    It leaves half of the processors to another. `framework_processes` ends it.

    Parameters
    ----------
    framework : {"torch", "tensorflow"}
        The framework.

    Examples
    --------
    >>> with framework_processes(["torch"]) as processes:
    ...     processes["torch"].ask(Question("cifar_net", "saliency", (3,)), None)().framework
    'torch'
    """

    def __init__(self, framework: Framework) -> None:
        self.framework = framework
        self._folder = tempfile.TemporaryDirectory(prefix="explain-gallery-")
        # One thread: it asks one question at a time, in order, while the caller does something else.
        self._line = ThreadPoolExecutor(1)
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main()", framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            text=True,
            encoding="utf-8",
        )
        self._count = 0

    def stop(self) -> None:
        """End the process, whether or not it is idle; what was asked and not answered is not answered any more."""
        self._process.terminate()
        self._line.shutdown(wait=False, cancel_futures=True)

    def clear(self) -> None:
        """Wait for the end of the process, and remove its files."""
        self._process.wait()
        self._line.shutdown()
        for stream in (self._process.stdin, self._process.stdout):
            # A request that the process did not take any more is still in the buffer, and closing writes it.
            with suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()
        self._folder.cleanup()

    def open(self, name: str) -> Callable[[], Any]:
        """Ask to load a model, which stays in the process."""
        return self._line.submit(self._exchange, {"open": name}).result

    def ask(self, question: Question, before: Answer | None) -> Answer:
        """Ask a question, after the answer of the framework before it."""

        def asked() -> Attribution:
            whole = question if before is None else question.after(before())
            file = self._exchange({"explain": _plain(asdict(whole))})
            found = load(file)
            file.unlink()
            return found

        return self._line.submit(asked).result

    def outputs(self, name: str) -> Callable[[], npt.NDArray[Any]]:
        """Ask for the logits of a model on all its samples."""

        def asked() -> npt.NDArray[Any]:
            found: npt.NDArray[Any] = np.load(self._exchange({"outputs": name}), allow_pickle=False)
            return found

        return self._line.submit(asked).result

    def _exchange(self, request: Mapping[str, Any]) -> Path:
        """Send a request, and wait for the file with the answer.

        Raises
        ------
        ExplainError
            What the process raised; or that it ended.
        """
        self._count += 1
        file = Path(self._folder.name) / f"{self._count}{'.npz' if 'explain' in request else '.npy'}"
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        try:
            requests.write(json.dumps({**request, "file": str(file)}) + "\n")
            requests.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ExplainError(
                f"The process of {self.framework} ended with exit status {self._process.wait()} before it had answered "
                f"{json.dumps(request)[:80]}…: what it wrote before is above. Make the gallery again, or call "
                "explain.gallery.generate(folder), which explains in this process."
            )
        answer = json.loads(line)
        if answer:
            raise getattr(errors, answer["error"])(answer["message"])
        return file


@contextmanager
def framework_processes(frameworks: Sequence[Framework]) -> Iterator[dict[Framework, FrameworkProcess]]:
    """Start a process for each framework, and end all of them at the end, also after an error or an interrupt.

    Parameters
    ----------
    frameworks : sequence of str
        Of ``"torch"`` and ``"tensorflow"``.
    """
    processes = {framework: FrameworkProcess(framework) for framework in frameworks}
    try:
        yield processes
    finally:
        # All are stopped before one is waited for: the second framework waits for answers of the first.
        for process in processes.values():
            process.stop()
        for process in processes.values():
            process.clear()


def _environment() -> dict[str, str]:
    """Give the environment of the process: half of the processors, unless the caller has said how many threads."""
    half = str(max(1, (os.cpu_count() or 1) // 2))
    # TensorFlow's start-up chatter hides what matters.
    return dict.fromkeys(_THREADS, half) | {"TF_CPP_MIN_LOG_LEVEL": "3"} | dict(os.environ)


def _plain(value: Any) -> Any:
    """Give a value as JSON can hold it: arrays and tuples as lists."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _answer(explainer: Explainer, request: Mapping[str, Any]) -> None:
    """Do what one line asks for."""
    file = Path(request["file"])
    if "open" in request:
        explainer.open(request["open"])
    elif "outputs" in request:
        np.save(file, explainer.outputs(request["outputs"]))
    else:
        asked = dict(request["explain"])
        asked["chosen"] = tuple(asked["chosen"])
        if asked["integral"].get("nodes") is not None:
            asked["integral"]["nodes"] = np.array(asked["integral"]["nodes"])
        explainer.explain(Question(**asked)).save(file)


def serve(framework: Framework, requests: IO[str], answers: IO[str]) -> None:
    """Answer the lines of a stream until it ends: an empty object, or the error that was raised on purpose.

    Parameters
    ----------
    framework : {"torch", "tensorflow"}
        The framework to answer in.
    requests, answers : file
        Text, one JSON object a line.
    """
    explainer = Explainer(framework)
    for line in requests:
        said: dict[str, str] = {}
        try:
            _answer(explainer, json.loads(line))
        except ExplainError as error:
            said = {"error": type(error).__name__, "message": str(error)}
        answers.write(json.dumps(said) + "\n")
        answers.flush()


def main() -> None:
    """Answer on the standard streams. What the frameworks print goes to the error stream, not between the answers."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # After an interrupt the caller ends this process; a traceback of its own would say nothing.
    try:
        serve(sys.argv[1], sys.stdin, own)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        sys.exit(130)
