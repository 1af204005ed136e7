"""Official downloads of the data sets, each checked by SHA-256 before it is read."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explain.errors import DataError
from explain.files.atomic_write import replace_file

_CIFAR10_PAGE = "https://www.cs.toronto.edu/~kriz"
_FASHION_MNIST_PAGE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"


@dataclass(frozen=True)
class Download:
    """A file to download.

    Parameters
    ----------
    url : str
        The address of the publisher's file.
    sha256 : str or None
        The expected SHA-256. None if the publisher has repacked the archive over time: then every file extracted
        from it is checked instead.
    """

    url: str
    sha256: str | None

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]


CIFAR10 = Download(
    f"{_CIFAR10_PAGE}/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)

FASHION_MNIST = (
    Download(
        f"{_FASHION_MNIST_PAGE}/train-images-idx3-ubyte.gz",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    Download(
        f"{_FASHION_MNIST_PAGE}/train-labels-idx1-ubyte.gz",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    Download(
        f"{_FASHION_MNIST_PAGE}/t10k-images-idx3-ubyte.gz",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    Download(
        f"{_FASHION_MNIST_PAGE}/t10k-labels-idx1-ubyte.gz",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
)

NAMES = Download("https://download.pytorch.org/tutorial/data.zip", None)

NAMES_SHA256: Mapping[str, str] = {
    "Arabic": "6f424a8dbe51cbbbabab7a57d38b617210125e4e3991f3c657cb79b8f104bafc",
    "Chinese": "09ba8f1f7e38dbc99372d461b26ad4433b811fc6bfa6a3ecca6fe11a9a777465",
    "Czech": "e17ab0ec47616a72c39cb85c783f70c3663ab64488721e5d8378f146d2226be7",
    "Dutch": "924f32b635170eae561f84538632138fc07d4c8bbd70ba3fb980de1ecc4d2af3",
    "English": "9cca037066d3d5989e24bc01801416162de506b5e28e15b7c092a47905d29bf2",
    "French": "81e65b36c60ed5b89a17422f6edcadbb89546f38ad69e960e64e7ba682012a95",
    "German": "7449cd590b97a733e18d613a4155decd77ec35dc5f8aadd7a82204dce4f051db",
    "Greek": "3555b5186de7f401e6d991b088e9e644ca3099116477818c25ab5793801389e6",
    "Irish": "cf8c7013256252a88d2503127b87282a11f21b2ff6db1bded68834c19a1ec058",
    "Italian": "f88414c27d0606a11a678b4859277828c2565d6cc4d9ee932deef6e94f3b35e4",
    "Japanese": "e0e717e114fec3e7eade4d9dabe0067c475f43147e36a22b47902ee76ad9e67f",
    "Korean": "cd54221ccb362a6cba4c78828838cf3268a0e59744767a37cf6ec4b74036b136",
    "Polish": "45bab898af2f60ed3a728bbf6980e28821011a7caa53227553b5785903a40826",
    "Portuguese": "50a8735f41f4f73757c8ce5b16cb0275cd86b2b214bcbc8c9805f508cb131c53",
    "Russian": "0cfe53ac18041e8f63666aa77313e0a3ff378facb132abee052d8ebdc8c3d62c",
    "Scottish": "78d0252711d87d948ea86fe34826c51d2d794a8e52d15b5d6f7b6244d45d62dd",
    "Spanish": "1bcb462ed3316756a85781d68232bddae04498fdddd5d9219c53fd1fbdeba7a7",
    "Vietnamese": "f3f9e4164ab47601178a6e45b216464a64122f49d05541f24bf18a757253281d",
}


def fetch(download: Download, folder: Path) -> Path:
    """Give the downloaded file, from `folder` if it has a valid copy, else from the publisher.

    Parameters
    ----------
    download : Download
        The file to fetch.
    folder : pathlib.Path
        The folder that stores it.

    Returns
    -------
    pathlib.Path
        The file, after a check of its SHA-256.

    Raises
    ------
    DataError
        If the file cannot be downloaded, or has another SHA-256 than expected.
    """
    import pooch

    known_hash = None if download.sha256 is None else f"sha256:{download.sha256}"
    try:
        return Path(pooch.retrieve(download.url, known_hash, fname=download.file_name, path=folder))
    except (OSError, ValueError) as cause:
        raise DataError(
            f"{download.url} could not be fetched, or is not the file it should be ({cause}). Check "
            "the network and try again, or set the environment variable EXPLAIN_DATA to a folder that "
            "holds the data sets."
        ) from cause


def extract_names(archive: Path, folder: Path) -> None:
    """Extract the files of names from the downloaded archive; check each by SHA-256.

    Parameters
    ----------
    archive : pathlib.Path
        ``data.zip``, with ``data/names/LANGUAGE.txt`` for every language.
    folder : pathlib.Path
        The folder in which to write ``LANGUAGE.txt``.

    Raises
    ------
    DataError
        If the archive cannot be read, or a file in it is missing or has another SHA-256 than expected.
    """
    remedy = f"Delete {archive} to have it downloaded again."
    contents = {}
    try:
        with zipfile.ZipFile(archive) as opened:
            for language in NAMES_SHA256:
                contents[language] = opened.read(f"data/names/{language}.txt")
    except (OSError, KeyError, zipfile.BadZipFile) as cause:
        raise DataError(f"{archive} cannot be read ({cause}). {remedy}") from cause
    for language, content in contents.items():
        found = hashlib.sha256(content).hexdigest()
        if found != NAMES_SHA256[language]:
            raise DataError(
                f"{language}.txt in {archive} has the SHA-256 {found}, not {NAMES_SHA256[language]}. {remedy}"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for language, content in contents.items():
        replace_file(folder / f"{language}.txt", content)
