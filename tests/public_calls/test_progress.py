"""Progress: one bar for all that a call runs, which never shows where nobody looks, and always goes away."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from advice.models import added, linear, picture

import explain
from explain.errors import ExplainError, OptionError
from explain.public_calls import progress_bar
from explain.public_calls.displays import Terminal
from explain.public_calls.progress import LISTENER, counted, counted_each

X = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)


class Recorder:
    """A display that remembers what it was told."""

    def __init__(self, seen):
        self.seen, self.open = seen, False
        seen.displays += 1

    def show(self, what, share, left):
        self.open = True
        self.seen.shown.append((what, share, left))

    def close(self):
        self.open = False
        self.seen.closed += 1


@pytest.fixture
def seen(monkeypatch):
    """Every report reaches a display, whether standard error is a terminal or not."""
    found = SimpleNamespace(shown=[], displays=0, closed=0)
    monkeypatch.setattr(progress_bar, "_display", lambda *, always: Recorder(found))
    monkeypatch.setattr(progress_bar, "_INTERVAL", 0.0)
    return found


def titles(seen):
    return [*dict.fromkeys(what for what, _, _ in seen.shown)]


def test_a_call_counts_its_points(kit, seen):
    explain.attribute(linear(kit), X, "ig", target=0, n_steps=40, batch_size=10, progress=True)
    assert titles(seen) == ["integrated_gradients"]
    assert (seen.displays, seen.closed) == (1, 1)
    assert all(0 <= share <= 1 for _, share, _ in seen.shown)
    assert max(share for _, share, _ in seen.shown) == 1


def test_the_result_is_the_same(kit, seen):
    with_bar = explain.attribute(linear(kit), X, "occlusion", target=0, progress=True)
    without = explain.attribute(linear(kit), X, "occlusion", target=0, progress=False)
    np.testing.assert_array_equal(with_bar.values, without.values)
    assert seen.displays == 1


def test_maximization_counts_its_steps(kit, seen):
    explain.maximize(linear(kit), 0, shape=(4,), bounds=(-1, 1), n_steps=5, progress=True)
    steps = [share for what, share, _ in seen.shown if what == "activation_maximization: steps"]
    assert steps == sorted(steps)
    assert {0.2, 0.4, 0.6, 0.8, 1.0} <= {round(share, 9) for share in steps}


def test_nested_calls_show_one_bar(kit, seen):
    model = linear(kit)
    explain.check_migration(model, model, X, methods=["saliency", "occlusion"], progress=True)
    assert (seen.displays, seen.closed) == (1, 1)
    shares = [share for _, share, _ in seen.shown]
    assert shares == sorted(shares), "a bar never goes back"
    assert shares[-1] == 1
    assert titles(seen) == [
        "check_migration",
        "check_migration: outputs",
        "check_migration: layers",
        "check_migration: maps by saliency",
        "check_migration: maps by occlusion",
    ]


def test_none_for_a_call_and_all_inside_it(kit, seen):
    model = linear(kit)
    explain.check_migration(model, model, X, methods="saliency", progress=False)
    with explain.progress(False):
        explain.attribute(model, X, "saliency", target=0)
        explain.attribute(added(kit), (X, X), "saliency", target=0)
    assert seen.displays == 0
    with explain.progress():
        explain.attribute(model, X, "saliency", target=0)
        explain.attribute(model, X, "saliency", target=0, progress=False)
    assert seen.displays == 1
    assert LISTENER.get() is None


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_bar_goes_away_on_errors(kit, seen, error):
    def score(outputs):
        raise error

    with pytest.raises((ExplainError, KeyboardInterrupt)) as caught:
        explain.attribute(linear(kit), X, "ig", target=score, progress=True)
    assert isinstance(caught.value, error) or isinstance(caught.value.__cause__, error)
    assert seen.closed == 1
    assert LISTENER.get() is None
    assert progress_bar._ONE_BAR.acquire(blocking=False)
    progress_bar._ONE_BAR.release()


def test_shown_after_two_seconds_only(kit, seen, monkeypatch):
    assert progress_bar._DELAY == 2
    # The first call of a process may itself take so long.
    monkeypatch.setattr(progress_bar, "_DELAY", 60.0)
    explain.attribute(linear(kit), X, "ig", target=0)
    assert seen.shown == []
    monkeypatch.setattr(progress_bar, "_DELAY", 0.0)
    explain.attribute(linear(kit), X, "ig", target=0)
    assert seen.shown


@pytest.mark.parametrize("wrong", [1, "yes", 0.5])
def test_what_progress_takes(kit, wrong):
    with pytest.raises(OptionError, match="give True for a bar, False for none, or None"):
        explain.attribute(linear(kit), X, "saliency", target=0, progress=wrong)
    with pytest.raises(OptionError, match="progress is of type"), explain.progress(wrong):
        pass


def test_one_bar_at_a_time_in_threads(torch_kit, seen):
    model, failures = linear(torch_kit), []

    def run():
        try:
            for _ in range(5):
                explain.attribute(model, X, "occlusion", target=0, progress=True)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert seen.displays == 20
    assert not progress_bar._ONE_BAR.locked()


def test_nested_loops_are_one_share(seen):
    with progress_bar.shown(True, "job"):
        for _ in counted_each("ab", "files"):
            with counted(4) as inner:
                for _ in range(4):
                    inner.advance()
    shares = [share for _, share, _ in seen.shown]
    assert [*dict.fromkeys(shares)] == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1]
    assert titles(seen) == ["job: files"]


def test_time_left(seen, monkeypatch):
    clock = SimpleNamespace(now=100.0)
    for module in ("progress", "progress_bar"):
        monkeypatch.setattr(f"explain.public_calls.{module}.monotonic", lambda: clock.now)
    with progress_bar.shown(True, "job"), counted(10) as work:
        for _ in range(5):
            clock.now += 3.0
            work.advance()
    # Five of ten parts took 15 seconds.
    assert seen.shown[-1] == ("job", 0.5, 15.0)


def test_nothing_is_counted_where_nobody_listens():
    assert counted(3) is counted(5)


def screen_of(run):
    """What a terminal receives on standard error while `run` runs."""
    main, end = pty.openpty()
    parts = []

    def read():
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:
                return
            if not part:
                return
            parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(end, "w") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        patch.setenv("TERM", "xterm")
        run()
    reader.join(timeout=10)
    os.close(main)
    return b"".join(parts).decode()


def test_on_a_terminal(torch_kit, monkeypatch, capsys):
    """The bar of rich: with the name, the share and the time that is left; at the end the line is erased."""
    monkeypatch.setattr(progress_bar, "_SETTLED", 0.0)
    monkeypatch.setattr(progress_bar, "_INTERVAL", 0.0)

    def run():
        x = picture(torch_kit)
        model = torch_kit.function(lambda x: torch_kit.sum(x, (2, 3)))
        explain.attribute(model, x, "occlusion", batch_size=1, progress=True)

    text = screen_of(run)
    assert "occlusion" in text
    assert "%" in text
    assert "\x1b[?25h" in text, "the cursor is back"
    assert text.rstrip().endswith("\x1b[2K"), "the line is erased"
    assert capsys.readouterr().out == ""


def test_names_are_no_markup():
    def run():
        display = Terminal()
        display.show("[red]evil[/red] [/]", 0.5, 3.0)
        display.close()

    assert "[red]evil[/red] [/]" in screen_of(run)


def test_lines_where_there_is_no_terminal(torch_kit, capsys):
    explain.attribute(linear(torch_kit), X, "occlusion", target=0, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("occlusion: 0%")
    assert "\x1b" not in err
    explain.attribute(linear(torch_kit), X, "occlusion", target=0)
    assert capsys.readouterr() == ("", "")


def test_in_a_notebook(torch_kit, monkeypatch):
    contents = []

    class Handle:
        def update(self, content, raw):
            contents.append(content)

    def display(content, raw, display_id):
        assert (raw, display_id) == (True, True)
        contents.append(content)
        return Handle()

    monkeypatch.setitem(
        sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    )
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setattr(progress_bar, "_DELAY", 0.0)
    explain.attribute(linear(torch_kit), X, "occlusion", target=0)
    assert contents[0]["text/html"].startswith('<progress value="0.0000" max="1" aria-label="occlusion">')
    assert contents[-1] == {"text/html": "", "text/plain": ""}


def test_rich_is_imported_for_a_bar_only():
    code = (
        "import sys, numpy as np, explain\n"
        "explain.attribute(lambda x: x.sum(1), np.ones((2, 3)), 'occlusion', score='output', framework='numpy')\n"
        "print('rich' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
    assert found.stderr == ""


def test_without_standard_error(torch_kit, monkeypatch):
    """As in a program without a console."""
    monkeypatch.setattr(sys, "stderr", None)
    assert explain.attribute(linear(torch_kit), X, "saliency", target=0, progress=True).values.any()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    explain.attribute(linear(torch_kit), X, "saliency", target=0, progress=None)
    assert sys.stderr.getvalue() == ""
