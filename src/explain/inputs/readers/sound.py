"""Sound from WAV files, and FLAC and OGG, which the same package reads."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from explain.errors import InputError, PackageNotInstalledError
from explain.inputs.readers.limits import check_bytes

SUFFIXES = (".wav", ".flac", ".ogg")


def read_sound(source: Path | IO[bytes], name: str) -> tuple[npt.NDArray[np.float32], float]:
    """Read a sound.

    Parameters
    ----------
    source : pathlib.Path or binary stream
        The file.
    name : str
        What messages call it.

    Returns
    -------
    samples : numpy.ndarray of float32, shape (T, C)
        Between −1 and 1, whatever number of bits the file has.
    sampling_rate : float
        Samples per second.

    Raises
    ------
    InputError
        If it is no sound, is damaged, is empty, or is too large.
    PackageNotInstalledError
        If soundfile is not installed.
    """
    try:
        import soundfile
    except (ImportError, OSError) as cause:  # OSError: its own library is missing.
        raise PackageNotInstalledError(
            f'{name} needs soundfile ({cause}). Run pip install "explain-toolkit[sound]".'
        ) from cause
    stream: Any = str(source) if isinstance(source, Path) else source
    try:
        with soundfile.SoundFile(stream) as sound:
            frames, channels, rate = sound.frames, sound.channels, sound.samplerate
            check_bytes(4 * frames * channels, name, f"{frames} samples in {channels} channels")
            samples = sound.read(dtype="float32", always_2d=True)
    except (RuntimeError, ValueError, TypeError) as cause:
        raise InputError(
            f"{name} cannot be read as sound ({cause}). Save it as WAV, such as with: ffmpeg -i FILE out.wav"
        ) from cause
    if not len(samples):
        raise InputError(f"{name} has no samples in it. Give a sound that is longer.")
    if not np.isfinite(samples).all():
        raise InputError(f"{name} has samples that are NaN or infinite. Save it again from its source.")
    return np.asarray(samples), float(rate)
