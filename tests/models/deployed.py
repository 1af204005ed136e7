"""What a model is deployed as: TFLite interpreters, and a server that is asked over HTTP."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest


def tflite(model: Any, examples: Any = None, dtype: str = "int8") -> bytes:
    """A Keras model as TFLite; quantised, inputs and outputs too, if examples to measure its ranges are given."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if examples is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([one[None]] for one in examples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(dtype)
    with warnings.catch_warnings(action="ignore"):
        return converter.convert()


def interpreter(content: bytes, package: str = "tensorflow") -> Any:
    """An interpreter of TensorFlow or of LiteRT; a test that wants LiteRT is left out where it is not installed."""
    if package != "tensorflow":
        return pytest.importorskip(f"{package}.interpreter").Interpreter(model_content=content)
    import tensorflow as tf

    with warnings.catch_warnings(action="ignore"):
        # TensorFlow announces that its interpreter moves to LiteRT.
        return tf.lite.Interpreter(model_content=content)


@contextmanager
def server(answer: Callable[[Any], Any], *, status: int = 200, seconds: float = 0.0) -> Iterator[str]:
    """A server on this machine that gives the answer to the posted rows, perhaps late; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
            time.sleep(seconds)
            body = json.dumps(answer(np.array(rows))).encode()
            # A caller that no longer waits has closed the connection.
            with suppress(OSError):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Print nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        running.server_close()


def asking(address: str, timeout: float = 5.0) -> Callable[[Any], Any]:
    """A function of arrays that asks a server, and raises its words if it refuses."""

    def ask(x: Any) -> Any:
        body = json.dumps({"instances": x.tolist()}).encode()
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as found:
                return np.array(json.load(found)["predictions"])
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{error}: {error.read().decode()}") from error

    return ask
