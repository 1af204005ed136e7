"""Inputs from files: pictures, arrays, tables, series, texts, sounds, and how pictures are prepared."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
import soundfile
from advice.advice import Advice
from PIL import Image

from explain.errors import InputError, OptionError, PreprocessingWarning
from explain.inputs.readers.tables import read_parquet
from explain.preprocessing import Preprocessing, of_model, preset, read

RAW: dict[str, Any] = {"preprocessing": "none"}


def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="explain-advice-"))


def written(name: str, content: bytes | str) -> Path:
    path = folder() / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def picture(size: tuple[int, int] = (8, 6), mode: str = "RGB", name: str = "cat.png", **options: Any) -> Path:
    path = folder() / name
    Image.new(mode, size, 200 if mode in ("L", "I", "F") else "orange").save(path, **options)
    return path


def of_pixels(pixels: Any) -> Path:
    path = folder() / "scan.png"
    Image.fromarray(pixels).save(path)
    return path


def png_of(width: int, height: int) -> bytes:
    """The beginning of a PNG file that declares a size; there is not a pixel in it."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">II", zlib.crc32(header), 9)
        + b"IDAT"
    )


def npy(array: Any, name: str = "x.npy") -> Path:
    path = folder() / name
    np.save(path, array)
    return path


def npy_of(shape: tuple[int, ...], content: bytes = b"") -> bytes:
    """A .npy file that declares a shape of float32."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + content


def npz(**arrays: Any) -> Path:
    path = folder() / "x.npz"
    np.savez(path, **arrays)
    return path


def zipped(name: str, content: bytes) -> Path:
    path = folder() / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


def csv(text: str) -> Path:
    return written("t.csv", text)


def parquet(frame: Any) -> Path:
    path = folder() / "t.parquet"
    frame.to_parquet(path)
    return path


def wav(samples: Any, rate: int = 8000, name: str = "a.wav") -> Path:
    path = folder() / name
    soundfile.write(path, np.asarray(samples, np.float32), rate, subtype="FLOAT")
    return path


def animation() -> Path:
    path = folder() / "a.gif"
    frames = [Image.new("L", (4, 4), grey) for grey in (0, 128, 255)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def frame_of(path: Path) -> Path:
    still = folder() / "frame.png"
    with Image.open(path) as opened:
        opened.seek(0)
        opened.save(still)
    return still


def in_folder(name: str, content: str) -> Path:
    path = folder()
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).write_text(content)
    return path


def beside_model(name: str, content: str) -> dict[str, Any]:
    return {"model_path": in_folder(name, content)}


def piped(content: bytes) -> dict[str, Any]:
    return {"standard_input": io.BytesIO(content)}


def pipe() -> Path:
    path = folder() / "pipe.csv"
    os.mkfifo(path)
    return path


def rescaling(kit: Any) -> Any:
    keras = kit.keras
    layers = [
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(2, 3),
        keras.layers.GlobalAveragePooling2D(),
    ]
    return keras.Sequential([keras.Input((6, 8, 3)), *layers])


def row(
    says: str,
    refused: Callable[[], Any],
    followed: Callable[[], Any],
    error: type[Exception] = InputError,
) -> Advice:
    """A row whose calls need no framework."""
    return Advice(says, error, lambda kit: refused(), lambda kit: followed(), on=("torch",))


NUMBERS = "a,b\n1,2\n3,4\n"
LONG = "who,t,a\nx,0,1\nx,1,2\ny,0,3\n"
TIMM = {"input_size": (3, 8, 8), "mean": [0.5] * 3, "std": [0.5] * 3}
PROCESSOR = (
    '{"do_resize": true, "size": {"height": 8, "width": 8}, "do_rescale": true, "do_normalize": false%s}'
)
RGBA = np.zeros((2, 4, 4, 3), np.uint8)

ADVICE = (
    # limits.py
    row(
        " in memory; at most ",
        lambda: read(written("x.npy", npy_of((10**6, 10**7)))),
        lambda: read(written("x.npy", npy_of((1, 2), bytes(8)))),
    ),
    row(
        " are read. Make it smaller, or cut out",
        lambda: read(written("a.png", png_of(12000, 12000)), **RAW),
        lambda: read(picture(), **RAW),
    ),
    # pictures.py
    row(
        " has too many pixels to be a picture (",
        lambda: read(written("a.png", png_of(100_000, 100_000)), **RAW),
        lambda: read(picture(), **RAW),
    ),
    row(
        " cannot be read as a picture (",
        lambda: read(written("a.png", "not a picture"), **RAW),
        lambda: read(picture(), **RAW),
    ),
    row(
        " has pixels of 32 bits, ",
        lambda: read(picture(mode="F", name="a.tif"), **RAW),
        lambda: read(npy(np.zeros((1, 4, 4, 3), np.float32))),
    ),
    row(
        " frames, and one picture is explained at a time. ",
        lambda: read(animation(), **RAW),
        lambda: read(frame_of(animation()), **RAW),
    ),
    row(
        " has 16 bits for each pixel and none above ",
        lambda: read(of_pixels(np.full((2, 2), 4095, np.uint16)), **RAW),
        lambda: read(of_pixels((np.full((2, 2), 4095, np.uint16) * (65535 / 4095)).astype("uint16")), **RAW),
        PreprocessingWarning,
    ),
    # array_files.py
    row(
        " is not a .npy file of numbers: ",
        lambda: read(written("x.npy", "1 2 3")),
        lambda: read(npy(np.eye(2))),
    ),
    row(
        ", not an array of numbers; objects are ",
        lambda: read(npy(np.array([{"a": 1}], dtype=object))),
        lambda: read(npy(np.array([1, 2], dtype=object).astype("float32"))),
    ),
    row(
        " is damaged: its header declares an array of shape ",
        lambda: read(written("x.npy", npy_of((1000, 2)))),
        lambda: read(npy(np.eye(2))),
    ),
    row(
        " ends too early: ",
        lambda: read("-", **piped(npy_of((3, 10), bytes(100)))),
        lambda: read("-", **piped(npy_of((3, 10), bytes(120)))),
    ),
    row(
        " is a saved attribution, ",
        lambda: read(npz(header="{}", values=np.eye(2))),
        lambda: read(npz(x=np.eye(2))),
    ),
    row(
        " is a zip file with the entry ", lambda: read(zipped("a.txt", b"a")), lambda: read(npz(x=np.eye(2)))
    ),
    row(
        " cannot be read as an archive of arrays (",
        lambda: read(written("x.npz", "no archive")),
        lambda: read(npz(x=np.eye(2))),
    ),
    row(" is an archive without arrays.", lambda: read(npz()), lambda: read(npz(x=np.eye(2)))),
    # text_lines.py
    row(
        " is not text in UTF-8 (byte ",
        lambda: read(written("a.txt", b"caf\xe9")),
        lambda: read(written("a.txt", "café")),
    ),
    row(
        " is not text: it has zero bytes. ",
        lambda: read(written("a.txt", b"a\0b")),
        lambda: read(written("a.txt", "a")),
    ),
    row(
        " has no text in it. ",
        lambda: read(written("a.txt", "\n \n")),
        lambda: read(written("a.txt", "a film")),
    ),
    # sound.py
    row(" cannot be read as sound (", lambda: read(written("a.wav", "RIFF")), lambda: read(wav([0, 1]))),
    row(" has no samples in it. ", lambda: read(wav([])), lambda: read(wav([0, 1]))),
    row(" has samples that are NaN or infinite. ", lambda: read(wav([0, np.nan])), lambda: read(wav([0, 1]))),
    # tables.py
    row(" is an empty table. ", lambda: read(csv("")), lambda: read(csv(NUMBERS))),
    row(" is not a table (", lambda: read(csv("a,b\n1,2,3\n")), lambda: read(csv(NUMBERS))),
    row(" has column names and no rows. ", lambda: read(csv("a,b\n")), lambda: read(csv(NUMBERS))),
    row(
        " cannot be read as Parquet (",
        lambda: read(written("t.parquet", "PAR1")),
        lambda: read(parquet(pandas.DataFrame({"a": [1.0]}))),
    ),
    row(
        " has no rows or no columns. ",
        lambda: read_parquet(parquet(pandas.DataFrame({"a": []})), "t.parquet"),
        lambda: read(parquet(pandas.DataFrame({"a": [1.0]}))),
    ),
    row(
        " twice. Give every column a name of its own.",
        lambda: read(csv("a,a\n1,2\n")),
        lambda: read(csv(NUMBERS)),
    ),
    # columns.py
    row(" has no column ", lambda: read(csv(NUMBERS), drop=["c"]), lambda: read(csv(NUMBERS), drop=["b"])),
    row(
        ": no column is left as a feature. ",
        lambda: read(csv(NUMBERS), drop=["a", "b"]),
        lambda: read(csv(NUMBERS), drop=["b"]),
    ),
    row(
        " is empty. Leave it out: ",
        lambda: read(csv("a,b\n1,\n3,\n")),
        lambda: read(csv("a,b\n1,\n3,\n"), drop=["b"]),
    ),
    row(" has no value in ", lambda: read(csv("a,b\n1,2\n3,\n")), lambda: read(csv("a,b\n1,2\n"))),
    row(
        " holds times, and a model takes numbers. ",
        lambda: read(parquet(pandas.DataFrame({"a": [1.0], "t": pandas.to_datetime(["2026-01-01"])}))),
        lambda: read(
            parquet(pandas.DataFrame({"a": [1.0], "t": pandas.to_datetime(["2026-01-01"])})), drop=["t"]
        ),
    ),
    row(
        ", not numbers. Encode it as for the training of ",
        lambda: read(csv("a,kind\n1,cat\n")),
        lambda: read(csv("a,kind\n1,cat\n"), index="kind"),
    ),
    row(
        " is infinite, or too large for float32, in ",
        lambda: read(csv("a,b\n1,inf\n")),
        lambda: read(csv(NUMBERS)),
    ),
    row(
        ", counts the rows. If it is their name and no feature, say ",
        lambda: read(csv("id,a\n0,5\n1,5\n2,7\n")),
        lambda: read(csv("id,a\n0,5\n1,5\n2,7\n"), index="id"),
    ),
    # series.py
    row(
        " has the channels ",
        lambda: read([csv(NUMBERS), written("u.csv", "a,c\n1,2\n")], series=True),
        lambda: read([csv(NUMBERS), written("u.csv", "b,a\n1,2\n")], series=True, columns=["a"]),
    ),
    row(
        ", which tells the series apart, has no value in row ",
        lambda: read(csv("who,a\nx,1\n,2\n"), series="who"),
        lambda: read(csv("who,a\nx,1\n"), series="who"),
    ),
    row(
        " holds neither numbers nor dates (",
        lambda: read(csv("t,a\nsoon,1\nlater,2\n"), series=True, time="t"),
        lambda: read(csv("t,a\nsoon,1\nlater,2\n"), series=True, drop=["t"]),
    ),
    row(
        " does not ascend at step ",
        lambda: read(csv(LONG), series=True, time="t", drop=["who"]),
        lambda: read(csv(LONG), series="who", time="t"),
    ),
    # sources.py
    row(
        " is not a format that is read: ",
        lambda: read(written("a.dat", NUMBERS), format="table"),
        lambda: read(written("a.dat", NUMBERS), format="csv"),
    ),
    row("No input is named. ", lambda: read([]), lambda: read(csv(NUMBERS))),
    row(" files are named; at most ", lambda: read(["-"] * 100_001), lambda: read(csv(NUMBERS))),
    row(
        "'-' stands twice among the inputs, ",
        lambda: read(["-", "-"]),
        lambda: read("-", **piped(NUMBERS.encode())),
    ),
    row(" and one ", lambda: read([csv(NUMBERS), picture()]), lambda: read([csv(NUMBERS)])),
    row("An input is of type ", lambda: read(3), lambda: read(csv(NUMBERS))),
    row("An input is named '', ", lambda: read(""), lambda: read(csv(NUMBERS))),
    row(" is an address, and files ", lambda: read("https://a.example/b.csv"), lambda: read(csv(NUMBERS))),
    row(
        " is not a file, but a device or a pipe. ",
        lambda: read(pipe()),
        lambda: read("-", **piped(NUMBERS.encode())),
    ),
    row(
        "No file matches ",
        lambda: read(folder() / "*.png", **RAW),
        lambda: read(picture().parent / "*.png", **RAW),
    ),
    row(
        "There is no file ", lambda: read(picture().parent / "cta.png", **RAW), lambda: read(picture(), **RAW)
    ),
    row(
        " has no file with a known suffix directly in it: ",
        lambda: read(in_folder("cats/a.csv", NUMBERS)),
        lambda: read(in_folder("cats/a.csv", NUMBERS) / "**" / "*.csv"),
    ),
    row(
        " is of no known kind: ",
        lambda: read(written("a.dat", NUMBERS)),
        lambda: read(written("a.dat", NUMBERS), format="csv"),
    ),
    row("Standard input is empty. ", lambda: read("-", **piped(b"")), lambda: read("-", **piped(b"a film"))),
    # preprocessing/
    row(
        " how pixels become its input, and a wrong guess ",
        lambda: read(picture()),
        lambda: read(picture(), divide_by=255),
    ),
    row(
        "mean= and std= are given without divide_by=, ",
        lambda: read(picture(), mean=0.5),
        lambda: read(picture(), mean=0.5, divide_by=255),
    ),
    row(
        " is a path: give the model itself, ",
        lambda: read(picture(), model="cat.keras"),
        lambda: read(picture(), model_path="cat.keras", **RAW),
    ),
    Advice(
        "The model takes pictures of ",
        InputError,
        lambda kit: read(picture(), model=rescaling(kit), color="grey"),
        lambda kit: read(picture(), model=rescaling(kit), color="rgb"),
        on=("tensorflow",),
    ),
    row(
        "preprocessing is of type ",
        lambda: read(picture(), preprocessing=255),
        lambda: read(picture(), preprocessing=preset("tf")),
        OptionError,
    ),
    row(" is not a preset: give ", lambda: preset("image_net"), lambda: preset("imagenet"), OptionError),
    Advice(
        " and scale them themselves: ",
        PreprocessingWarning,
        lambda kit: read(picture(), preprocessing="tf", model=rescaling(kit)),
        lambda kit: read(picture(), preprocessing="none", model=rescaling(kit)),
        on=("tensorflow",),
    ),
    row(
        ", and a batch has one size: give ",
        lambda: read([picture((8, 6), name="a.png"), picture((6, 8), name="b.png")], **RAW),
        lambda: read([picture((8, 6), name="a.png"), picture((6, 8), name="b.png")], size=4, **RAW),
    ),
    row(
        ", smaller than the crop of ",
        lambda: read(picture(), size=9, resize="none", **RAW),
        lambda: read(picture(), size=9, resize="shorter", **RAW),
    ),
    row(
        " does not fit color=",
        lambda: Preprocessing(mean=(1, 2)),
        lambda: Preprocessing(mean=(1, 2, 3)),
        OptionError,
    ),
    row(
        " is not a grey: give a number ",
        lambda: Preprocessing(fill=300),
        lambda: Preprocessing(fill=255),
        OptionError,
    ),
    row(
        " has the unknown settings ",
        lambda: read(picture(), preprocessing={"sise": 4}),
        lambda: read(picture(), preprocessing={"size": 4}),
        OptionError,
    ),
    row(
        " is not a size: give ",
        lambda: Preprocessing(size="big"),
        lambda: Preprocessing(size=(4, 4)),
        OptionError,
    ),
    row(
        " is unknown: give one of ",
        lambda: Preprocessing(resize="short"),
        lambda: Preprocessing(),
        OptionError,
    ),
    row(" is not a number", lambda: Preprocessing(std=0), lambda: Preprocessing(std=1), OptionError),
    row(
        "There is no picture in the list: ",
        lambda: preset("tf")([]),
        lambda: preset("tf")([Image.new("L", (2, 2))]),
    ),
    row(
        ", not a picture: give pictures of ",
        lambda: preset("tf")(np.zeros((4, 4, 3))),
        lambda: preset("tf")(np.zeros((4, 4, 3), np.uint8)),
    ),
    row(
        ", which is no picture: give ",
        lambda: preset("tf")(np.zeros((4, 4, 5), np.uint8)),
        lambda: preset("tf")(np.zeros((1, 4, 4, 3), np.uint8)),
    ),
    row(
        ", which are not known here. Prepare the pictures ",
        lambda: read(
            picture(), **beside_model("preprocessor_config.json", PROCESSOR % ', "do_thumbnail": true')
        ),
        lambda: read(picture(), **beside_model("preprocessor_config.json", PROCESSOR % ""), divide_by=255),
    ),
    row(
        " beside the model is no file of settings (",
        lambda: read(picture(), **beside_model("config.json", "{")),
        lambda: read(picture(), **beside_model("config.json", "{"), preprocessing="imagenet"),
    ),
    row(
        " has settings of pictures that are not understood (",
        lambda: of_model(SimpleNamespace(pretrained_cfg={**TIMM, "interpolation": "random"})),
        lambda: read(picture(), preprocessing="imagenet"),
    ),
    row(
        ", which is the model's input as ",
        lambda: read(npy(np.zeros((1, 4, 4, 3), np.float32)), divide_by=255),
        lambda: read(npy(np.zeros((1, 4, 4, 3), np.float32))),
    ),
    row(
        " have different columns. Give files ",
        lambda: read([csv(NUMBERS), written("u.csv", "a,c\n1,2\n")]),
        lambda: read([csv(NUMBERS), written("u.csv", "a,c\n1,2\n")], columns=["a"]),
    ),
    row(
        " samples per second, and ",
        lambda: read([wav([0, 1]), wav([0, 1], 16000, "b.wav")]),
        lambda: read([wav([0, 1]), wav([0, 1], 8000, "b.wav")]),
    ),
    row(
        " has no array ", lambda: read(npz(x=np.eye(2)), array="y"), lambda: read(npz(x=np.eye(2)), array="x")
    ),
    row(
        ", and a model takes numbers. ",
        lambda: read(npy(np.array(["a film"]))),
        lambda: read(written("a.txt", "a film")),
    ),
    row(
        ": each file is a batch, and ",
        lambda: read([npy(np.ones((3, 1))), npy(np.ones((3, 2)), "y.npy")]),
        lambda: read([npy(np.ones((3, 1))), npy(np.ones((2, 1)), "y.npy")], series=True),
    ),
    row(
        ": with series=True, each file is one series (T, C), ",
        lambda: read(npy(np.ones((2, 3, 4))), series=True),
        lambda: read(npy(np.ones((2, 3, 4)))),
    ),
    row(
        " is for series: say ",
        lambda: read(csv(LONG), time="t"),
        lambda: read(csv(LONG), series="who", time="t"),
        OptionError,
    ),
    row(
        ", which is of kind ",
        lambda: read(csv(NUMBERS), size=224),
        lambda: read(csv(NUMBERS)),
        OptionError,
    ),
    row(
        " is a string: give a list of columns, ",
        lambda: read(csv(NUMBERS), drop="a"),
        lambda: read(csv(NUMBERS), drop=["a"]),
        OptionError,
    ),
)
