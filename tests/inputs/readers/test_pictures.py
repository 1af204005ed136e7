"""Pictures of every mode, upright; and hostile ones."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from explain.errors import InputError, PreprocessingWarning
from explain.inputs.readers.pictures import read_picture
from explain.preprocessing import preset, read


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def stored(picture, suffix="png", **options):
    stream = io.BytesIO()
    picture.save(stream, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()), **options)
    return io.BytesIO(stream.getvalue())


def pixels(stream):
    return np.asarray(read_picture(stream, "a", []))


@pytest.mark.parametrize("suffix", ["png", "webp", "bmp", "tif"])
def test_lossless_files_give_their_pixels(suffix):
    given = noise(5, 7, 3)
    options = {"lossless": True} if suffix == "webp" else {}
    np.testing.assert_array_equal(pixels(stored(Image.fromarray(given), suffix, **options)), given)


def test_jpeg_is_what_pillow_decodes():
    stream = stored(Image.fromarray(noise(16, 16, 3)), "jpg", quality=70)
    np.testing.assert_array_equal(pixels(stream), np.asarray(Image.open(stream)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_that_a_camera_noted_is_followed(orientation):
    upright = noise(4, 6, 3)
    # EXIF 2.3: how the rows and columns of the file lie in the picture.
    lies = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = stored(Image.fromarray(np.ascontiguousarray(lies[orientation])), exif=exif)
    np.testing.assert_array_equal(pixels(stream), upright)


def test_transparent_parts_lie_on_white():
    given = noise(4, 5, 4)
    opacity = given[..., 3:] / 255
    expected = given[..., :3] * opacity + 255 * (1 - opacity)
    # Pillow rounds each product.
    np.testing.assert_allclose(pixels(stored(Image.fromarray(given))), expected, atol=1.01)
    clear = Image.new("LA", (2, 2), (0, 0))
    assert pixels(stored(clear)).tolist() == [[255, 255], [255, 255]]


def test_palettes_are_looked_up_and_their_transparent_colour_is_white():
    palette = Image.fromarray(noise(6, 6, 3)).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    np.testing.assert_array_equal(pixels(stored(palette)), np.asarray(palette.convert("RGB")))
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 200, 0, 0])
    palette.putpixel((1, 0), 1)
    assert pixels(stored(palette, transparency=0)).tolist() == [[[255, 255, 255], [200, 0, 0]]]


def test_sixteen_bits_keep_their_digits():
    given = noise(3, 4, dtype=np.uint16)
    found = pixels(stored(Image.fromarray(given)))
    np.testing.assert_allclose(found, given / 257, rtol=1e-6)
    x = read("-", preprocessing="none", divide_by=255, standard_input=stored(Image.fromarray(given))).x
    np.testing.assert_allclose(x[0, ..., 1], given / 65535, rtol=1e-6)


def test_twelve_bits_in_sixteen_are_warned_of():
    given = noise(3, 4, dtype=np.uint16) // 16
    with pytest.warns(PreprocessingWarning, match=r"none above [0-9]+ of 65535") as seen:
        read("-", preprocessing="none", standard_input=stored(Image.fromarray(given)))
    assert seen[0].filename == __file__
    with pytest.warns(PreprocessingWarning) as seen:
        preset("none")(Image.fromarray(given))
    assert seen[0].filename == __file__


@pytest.mark.parametrize(("mode", "expected"), [("1", "L"), ("L", "L"), ("CMYK", "RGB"), ("YCbCr", "RGB")])
def test_other_modes(mode, expected):
    picture = Image.fromarray(noise(4, 4, 3)).convert(mode)
    found = read_picture(stored(picture, "jpg" if mode in ("CMYK", "YCbCr") else "png"), "a", [])
    assert found.mode == expected


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width, height, data=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 1), (12_000, 12_000), (1, 2**30)])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(size):
    with pytest.raises(InputError, match="pixels"):
        read_picture(io.BytesIO(png_of(*size, zlib.compress(bytes(1000)))), "bomb.png", [])


def test_a_text_that_unpacks_to_gigabytes_is_refused():
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * (PngImagePlugin.MAX_TEXT_CHUNK + 1), zip=True)
    with pytest.raises(InputError, match="cannot be read as a picture"):
        read_picture(stored(Image.new("L", (2, 2)), pnginfo=info), "bomb.png", [])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        png_of(4, 4, b"not packed"),
        png_of(4, 4, zlib.compress(bytes(5))),
        png_of(0, 4),
        b"\xff\xd8\xff\xe0" + bytes(40),
        b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(40),
        b"BM" + bytes(60),
        b"GIF89a" + bytes(5),
        b"II*\0" + bytes(30),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"P6 9 9 255 " + bytes(300),
    ],
    ids=range(12),
)
def test_damaged_files_and_formats_that_are_not_read(content):
    with pytest.raises(InputError, match=r"evil\.png"):
        read_picture(io.BytesIO(content), "evil.png", [])


def test_a_truncated_photograph():
    whole = stored(Image.fromarray(noise(64, 64, 3)), "jpg").getvalue()
    with pytest.raises(InputError, match="cannot be read as a picture"):
        read_picture(io.BytesIO(whole[: len(whole) // 2]), "half.jpg", [])


def test_a_photograph_with_a_preview_is_one_picture():
    stream = io.BytesIO()
    Image.fromarray(noise(8, 8, 3)).save(
        stream, "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))]
    )
    assert read_picture(io.BytesIO(stream.getvalue()), "phone.jpg", []).size == (8, 8)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_animations_are_refused(suffix):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    with pytest.raises(InputError, match="has 2 frames"):
        read_picture(stored(frames[0], suffix, save_all=True, append_images=frames[1:]), "a", [])
