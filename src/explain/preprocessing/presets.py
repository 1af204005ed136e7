"""Well-known settings by their names."""

from __future__ import annotations

from collections.abc import Mapping

from explain.errors import OptionError
from explain.preprocessing.settings import Preprocessing
from explain.public_calls.callers_line import at_callers_line


@at_callers_line
def preset(name: str) -> Preprocessing:
    """Give well-known settings by their name.

    Parameters
    ----------
    name : {"imagenet", "torch", "tf", "caffe", "none"}
        ``"imagenet"``: as torchvision evaluates its models: the shorter side to 256, the middle 224×224, ImageNet's
        mean and deviation, channels first. ``"torch"``, ``"tf"`` and ``"caffe"``: the three modes of Keras's
        ``imagenet_utils.preprocess_input``, channels last, the size as given: ImageNet's mean and deviation; to
        [−1, 1]; blue, green, red minus their means, not divided. ``"none"``: pixels from 0 to 255 as they are.

    Returns
    -------
    Preprocessing

    Raises
    ------
    OptionError
        If no preset has that name.

    Examples
    --------
    >>> preset("imagenet").size, preset("tf").divide_by, preset("caffe").color
    (224, 127.5, 'bgr')
    """
    if name not in PRESETS:
        raise OptionError(
            f"preprocessing={name!r} is not a preset: give {', '.join(map(repr, PRESETS))}, or a Preprocessing."
        )
    return PRESETS[name]


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

PRESETS: Mapping[str, Preprocessing] = {
    "imagenet": Preprocessing(
        size=224,
        resize_to=256,
        divide_by=255,
        mean=_MEAN,
        std=_STD,
        channels="first",
        source="preset imagenet",
    ),
    "torch": Preprocessing(divide_by=255, mean=_MEAN, std=_STD, source="preset torch"),
    "tf": Preprocessing(divide_by=127.5, mean=1.0, source="preset tf"),
    "caffe": Preprocessing(mean=(103.939, 116.779, 123.68), color="bgr", source="preset caffe"),
    "none": Preprocessing(source="preset none"),
}
