"""Files, folders, globs and standard input; text and sound."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
import soundfile
import torch
from keras import Input, Sequential, layers
from PIL import Image

import explain
from explain.errors import InputError
from explain.inputs.readers.sources import natural, sources_of
from explain.preprocessing import read


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(*given, **options):
    return [source.name for source in sources_of(*given, **options)]


def touch(*names):
    for name in names:
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        open(name, "wb").close()


def test_folders_and_globs_are_in_natural_order(here):
    touch("p/10.png", "p/9.png", "p/a2.PNG", "p/A10.png", "p/.hidden.png", "p/notes.md", "p/q/1.png")
    in_order = ["9.png", "10.png", "a2.PNG", "A10.png"]
    assert named("p") == named(here / "p") == in_order
    assert named("p/*.png") == ["9.png", "10.png", "A10.png"]
    assert named("p/**/*.png") == ["9.png", "10.png", "A10.png", "1.png"]
    # What the caller names one by one stays in the caller's order.
    assert named(["p/10.png", "p/9.png"]) == ["10.png", "9.png"]


def test_files_of_one_name_are_told_apart_by_their_folders(here):
    touch("cats/1.png", "dogs/1.png")
    assert named(["cats", "dogs"]) == ["cats/1.png", "dogs/1.png"]


def test_a_name_with_signs_of_a_glob_is_a_file(here):
    touch("a[1].png", "b*.png", "bc.png")
    assert named("a[1].png") == ["a[1].png"]
    assert named("b*.png") == ["b*.png"]


def test_names_obey_no_terminal(here):
    touch("a\x1b[2J\n.png")
    (name,) = named("*.png")
    assert name == "a\\x1b[2J\\n.png"
    with pytest.raises(InputError) as caught:
        read("*.png", preprocessing="none")
    assert "\x1b" not in str(caught.value)


def test_a_misspelt_name_is_answered_with_the_one_that_is_there(here):
    touch("kitten.png")
    with pytest.raises(InputError, match=r"Did you mean 'kitten\.png'"):
        read("kiten.png")
    with pytest.raises(InputError, match="the folder here is"):
        read("nothing/like/it.png")


def test_mixed_kinds_are_refused(here):
    touch("a.png", "b.csv")
    with pytest.raises(InputError, match=r"a\.png is of kind 'picture' and b\.csv of kind 'csv'"):
        read(here)


def test_a_folder_of_folders(here):
    touch("p/cats/1.png")
    with pytest.raises(InputError, match=r"p/\*\*/\*\.png"):
        read("p")
    (here / "empty").mkdir()
    with pytest.raises(InputError, match="no file with a known suffix"):
        read("empty")


def test_natural_order_of_odd_names():
    assert sorted(["b", "10", "a1b2", "a1b10", "9", "²", ""], key=natural) == [
        "",
        "9",
        "10",
        "a1b2",
        "a1b10",
        "b",
        "²",
    ]


def stored(save, *arguments):
    stream = io.BytesIO()
    save(stream, *arguments)
    return stream.getvalue()


def test_standard_input_is_told_by_its_content(monkeypatch):
    samples = stored(lambda stream: soundfile.write(stream, np.zeros(8), 8000, format="WAV"))
    picture = Image.new("RGB", (3, 2))
    kinds = {
        stored(np.save, np.eye(2)): "array",
        stored(np.savez, np.eye(2)): "array",
        samples: "sound",
        b"a,b\n1,2\n3,4\n": "table",
        b"1;2\n3;4\n": "table",
        b"a film, which is long\nand a play, which is short\n": "text",
        b"ein Film": "text",
        **{stored(picture.save, suffix): "picture" for suffix in ("PNG", "JPEG", "WEBP")},
    }
    for content, kind in kinds.items():
        options = {"preprocessing": "none"} if kind == "picture" else {}
        assert read("-", standard_input=io.BytesIO(content), **options).kind == kind
    piped = io.TextIOWrapper(io.BytesIO(b"a film\n"))
    monkeypatch.setattr("sys.stdin", piped)
    assert read("-").x == ["a film"]


def test_an_endless_pipe_is_refused(monkeypatch):
    from explain.inputs.readers import limits

    class Endless:
        def read(self, count):
            return bytes(count)

    monkeypatch.setattr(limits, "bytes_to_read", lambda: 10**7)
    with pytest.raises(InputError, match="Standard input declares"):
        read("-", standard_input=Endless())


def test_devices_are_not_read():
    with pytest.raises(InputError, match="a device or a pipe"):
        read("/dev/zero")


def test_text_lines(here):
    (here / "a.txt").write_bytes("A film.\r\n\r\n  Ein Stück \u2028 mehr.  \r\n".encode())
    inputs = read("a.txt", classes=["bad", "good"])
    assert inputs.x == ["A film.", "  Ein Stück \u2028 mehr."]
    assert inputs.display.example_names == ("a.txt:1", "a.txt:3")
    assert inputs.display.classes == ("bad", "good")
    (here / "b.txt").write_bytes("A film.".encode("utf-16"))
    assert read("b.txt").x == ["A film."]


def wav(name, samples, rate=16000, subtype="PCM_16"):
    soundfile.write(name, samples, rate, subtype=subtype)


def test_sound(here):
    wave = np.round(np.sin(np.arange(100)) * 2**14) / 2**15
    wav("a.wav", wave)
    wav("b.wav", wave[:60])
    inputs = read(["a.wav", "b.wav"])
    # Sixteen bits hold these numbers exactly.
    np.testing.assert_array_equal(inputs.x, np.float32([wave, np.r_[wave[:60], np.zeros(40)]]))
    assert inputs.lengths.tolist() == [100, 60]
    assert inputs.display.sampling_rate == 16000
    assert inputs.layout == "NT"
    assert read("a.wav", channels="first").x.shape == (1, 1, 100)
    assert read("a.wav", channels="last").x.shape == (1, 100, 1)
    keras = Sequential([Input((None, 1)), layers.Conv1D(2, 3), layers.GlobalAveragePooling1D()])
    assert read("a.wav", model=keras).x.shape == (1, 100, 1)
    assert read("a.wav", model=torch.nn.Linear(100, 2)).x.shape == (1, 100)


def test_stereo_sound(here):
    both = np.stack([np.linspace(-1, 0.5, 50), np.linspace(0, 0.25, 50)], axis=1)
    wav("a.wav", both, subtype="FLOAT")
    inputs = read("a.wav")
    np.testing.assert_array_equal(inputs.x, np.float32(both.T[None]))
    assert inputs.layout == "NCT"
    assert read("a.wav", channels="last").layout == "NTC"


def test_a_sound_that_declares_more_than_it_has(here):
    wav("a.wav", np.zeros(100))
    content = bytearray((here / "a.wav").read_bytes())
    content[40:44] = (2**31 - 2).to_bytes(4, "little")
    (here / "a.wav").write_bytes(content)
    assert read("a.wav").x.shape == (1, 100)


def test_what_was_read_is_explained(here):
    model = explain.zoo.load("cifar_net")
    samples = explain.zoo.samples("cifar_net")
    pixels = np.round((samples.x[0].transpose(1, 2, 0) * 0.5 + 0.5) * 255).astype(np.uint8)
    Image.fromarray(pixels).save("cat.png")
    inputs = read("cat.png", model=model, divide_by=255, mean=0.5, std=0.5)
    np.testing.assert_allclose(inputs.x, samples.x[:1], atol=1e-6)
    made = explain.attribute(model, inputs.x, "saliency", display=inputs.display, layout=inputs.layout)
    expected = explain.attribute(model, samples.x[:1], "saliency")
    np.testing.assert_allclose(made.values, expected.values, atol=1e-5)
    again = explain.load(made.save("cat.npz"))
    assert again.display == made.display == inputs.display
    assert again.display.example_names == ("cat.png",)


def test_results_have_a_line_of_text(here):
    (here / "a.csv").write_text("a,b\n1,2\n")
    assert repr(read("a.csv")) == "Inputs(table: (1, 2); layout NC; 2 named features)"
    np.savez("x.npz", a=np.eye(2), b=np.eye(3)[:2])
    assert repr(read("x.npz")) == "Inputs(array: {'a': (2, 2), 'b': (2, 3)})"
    (here / "a.txt").write_text("a film\n")
    assert repr(read("a.txt")) == "Inputs(text: 1 strings)"
