"""The made data: exact masks, fair backgrounds, the same bytes everywhere."""

from __future__ import annotations

import hashlib
import re
from itertools import permutations

import numpy as np
import pytest
import scipy.ndimage
import scipy.spatial
import scipy.stats

from explain import zoo
from explain.errors import OptionError, ZooError
from explain.zoo.synthetic import shapes
from explain.zoo.synthetic.sets import FIRST_SEED_OF_MODELS, draw_set

NAMES = ("shapes", "motifs")
SHORTCUTS = ("agreeing", "absent", "misleading", "random")
# Written down by hand, not taken from the code that draws.
COLOURS = {
    (255, 0, 0): "circle",
    (0, 255, 0): "square",
    (0, 0, 255): "triangle",
    (255, 255, 0): "cross",
    (255, 0, 255): "ring",
    (0, 255, 255): "star",
}

# Has a hole, is the same upside down, has no dents, is as round as a disc.
PROPERTIES = {
    "circle": (False, True, True, True),
    "square": (False, True, True, False),
    "triangle": (False, False, True, False),
    # The hull of four or five points is not far from round.
    "cross": (False, True, False, None),
    "ring": (True, True, False, True),
    "star": (False, False, False, None),
}


def differs(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where two batches with channels last, or of ids, differ: (N, H, W) or (N, T)."""
    found = x != other
    return found.any(axis=3) if found.ndim == 4 else found


def words(made: zoo.GroundTruth) -> list[str]:
    """Each sequence as a text, a marker as a capital letter."""
    return ["".join(token[0] for token in tokens) for tokens in made.display.step_names]


@pytest.mark.parametrize("shortcut", SHORTCUTS)
@pytest.mark.parametrize("name", NAMES)
def test_x_differs_from_its_background_exactly_in_the_masks(name: str, shortcut: str) -> None:
    made = zoo.ground_truth(name, 300, seed=3, framework="tensorflow", shortcut=shortcut)
    np.testing.assert_array_equal(differs(made.x, made.background), made.object_mask | made.shortcut_mask)
    assert not (made.object_mask & made.shortcut_mask).any()
    assert made.object_mask.any(axis=tuple(range(1, made.object_mask.ndim))).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_kinds_of_shortcut_differ_exactly_in_the_shortcut(name: str) -> None:
    without = zoo.ground_truth(name, 300, framework="tensorflow", shortcut="absent")
    assert not without.shortcut_mask.any()
    assert (without.shortcut_class == -1).all()
    for kind in ("agreeing", "misleading", "random"):
        made = zoo.ground_truth(name, 300, framework="tensorflow", shortcut=kind)
        np.testing.assert_array_equal(differs(made.x, without.x), made.shortcut_mask)
        np.testing.assert_array_equal(made.object_mask, without.object_mask)
        np.testing.assert_array_equal(made.y, without.y)


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_the_patch_has_the_colour_of_the_class_that_it_names(shortcut: str) -> None:
    made = zoo.ground_truth("shapes", 300, framework="tensorflow", shortcut=shortcut)
    for x, mask, named in zip(made.x, made.shortcut_mask, made.shortcut_class, strict=True):
        colours = {tuple(int(255 * channel) for channel in pixel) for pixel in x[mask]}
        assert [COLOURS[colour] for colour in colours] == ([] if named < 0 else [made.classes[named]])
    patch = np.zeros((32, 32), bool)
    patch[:5, :5] = shortcut != "absent"
    assert (made.shortcut_mask == patch).all()


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_the_marker_names_the_class_at_the_first_position(shortcut: str) -> None:
    made = zoo.ground_truth("motifs", 300, shortcut=shortcut)
    for tokens, named in zip(made.display.step_names, made.shortcut_class, strict=True):
        assert tokens[0].isupper() == (named >= 0)
        assert named < 0 or tokens[0].lower() == made.classes[named]
        assert all(token.islower() for token in tokens[1:])


@pytest.mark.parametrize("name", NAMES)
def test_which_class_the_shortcut_names(name: str) -> None:
    made = {kind: zoo.ground_truth(name, 720, shortcut=kind) for kind in SHORTCUTS}
    assert (made["agreeing"].shortcut_class == made["agreeing"].y).all()
    assert (made["misleading"].shortcut_class != made["misleading"].y).all()
    for kind, pairs in (("misleading", 30), ("random", 36)):
        counts = np.zeros((6, 6), int)
        np.add.at(counts, (made[kind].y, made[kind].shortcut_class), 1)
        assert (counts > 0).sum() == pairs
        # Every pair that may be there is equally likely.
        assert scipy.stats.chisquare(counts[counts > 0]).pvalue > 0.001


@pytest.mark.parametrize("name", NAMES)
def test_examples_do_not_depend_on_their_number_and_follow_the_seed(name: str) -> None:
    few, many, other = (
        zoo.ground_truth(name, count, seed=seed, shortcut="random")
        for count, seed in ((7, 5), (40, 5), (40, 6))
    )
    for field in ("x", "y", "object_mask", "shortcut_mask", "shortcut_class", "background"):
        np.testing.assert_array_equal(getattr(few, field), getattr(many, field)[:7])
    different = (many.x != other.x).reshape(40, -1).any(axis=1)
    assert different.all()
    assert len({one.tobytes() for one in many.background}) == 40


@pytest.mark.parametrize("name", NAMES)
def test_classes_are_balanced(name: str) -> None:
    counts = np.bincount(zoo.ground_truth(name, 600).y)
    assert counts.tolist() == [100] * 6


@pytest.mark.parametrize("name", NAMES)
def test_both_frameworks_are_given_the_same_numbers(name: str) -> None:
    one, other = (zoo.ground_truth(name, 12, framework=framework) for framework in ("torch", "tensorflow"))
    x, layout = (one.x.transpose(0, 2, 3, 1), "NHWC") if name == "shapes" else (one.x, "NT")
    np.testing.assert_array_equal(x, other.x)
    assert other.layout == layout
    assert one.x.flags["C_CONTIGUOUS"]
    assert one.x.dtype == (np.float32 if name == "shapes" else np.int64)
    assert one.x.min() >= one.display.bounds[0]
    assert one.x.max() <= one.display.bounds[1]
    assert len(one) == len(one.y) == 12
    assert one.display.classes == one.classes
    assert len(repr(one)) < 400


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("shapes", "3e6f1bbe0d146d74378fb595e19cd1f4a77473a1415675c85c3d37b4d049c2bf"),
        ("motifs", "06dc41ab8d4aca5761c1590ad3e3959e7d7f1d0c87130566fff57103164b35ac"),
    ],
)
def test_the_same_seed_gives_the_same_bytes_on_every_machine(name: str, digest: str) -> None:
    sha = hashlib.sha256()
    for kind in SHORTCUTS:
        made = zoo.ground_truth(name, 120, seed=11, shortcut=kind)
        for array in (
            made.x,
            made.y,
            made.object_mask,
            made.shortcut_mask,
            made.shortcut_class,
            made.background,
        ):
            sha.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    assert sha.hexdigest() == digest


def test_the_ground_and_the_patch_know_nothing_of_the_object() -> None:
    for seed in range(20):
        drawn = [shapes.draw(np.random.default_rng(seed), y, "random") for y in range(6)]
        assert len({one.background.tobytes() for one in drawn}) == 1
        assert len({int(one.shortcut_class) for one in drawn}) == 1
        assert len({one.object_mask.tobytes() for one in drawn}) == 6


def test_objects_are_of_their_class() -> None:
    made = zoo.ground_truth("shapes", 240, framework="tensorflow", shortcut="absent")
    for x, mask, label in zip(made.x, made.object_mask, made.y, strict=True):
        assert len(np.unique(x[mask], axis=0)) == 1
        for found, expected in zip(properties(mask), PROPERTIES[made.classes[label]], strict=True):
            assert expected is None or found == expected


def properties(mask: np.ndarray) -> tuple[bool, bool, bool, bool]:
    """Whether a shape has a hole, is the same upside down, has no dents, and is as round as a disc."""
    hole = scipy.ndimage.label(~np.pad(mask, 1))[1] > 1
    rows, columns = np.nonzero(mask)
    cut = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    corners = np.stack([rows, columns], axis=1)[:, None] + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    hull = scipy.spatial.ConvexHull(corners.reshape(-1, 2))
    points = hull.points[hull.vertices]
    diameter = np.linalg.norm(points[:, None] - points, axis=2).max()
    # In two dimensions the volume is the area. That of a disc of diameter one is 0.79, that of a square 0.5.
    round_ = bool(hull.volume / diameter**2 > 0.64)
    return hole, bool((cut == cut[::-1, ::-1]).all()), bool(mask.sum() / hull.volume > 0.76), round_


def test_each_sequence_has_one_motif_and_it_is_where_the_mask_says() -> None:
    made = zoo.ground_truth("motifs", 600, shortcut="absent")
    assert made.classes == tuple("".join(one) for one in permutations("abc"))
    anywhere = re.compile("(?=(" + "|".join(made.classes) + "))")
    starts = set()
    for text, mask, label in zip(words(made), made.object_mask, made.y, strict=True):
        (found,) = anywhere.finditer(text)
        assert found[1] == made.classes[label]
        assert np.flatnonzero(mask).tolist() == list(range(found.start(), found.start() + 3))
        starts.add(found.start())
    assert starts == set(range(1, 22))


def test_the_letters_around_a_motif_know_nothing_of_the_class() -> None:
    made = zoo.ground_truth("motifs", 3000, shortcut="absent")
    counts = np.zeros((6, 10), int)
    for label in range(6):
        rows = made.y == label
        around = made.x[rows][~made.object_mask[rows]]
        counts[label] = np.bincount(around, minlength=11)[1:]
    assert scipy.stats.chi2_contingency(counts).pvalue > 0.001


def test_no_seed_gives_an_example_of_a_training_set() -> None:
    for name in NAMES:
        trained = draw_set(name, 50, FIRST_SEED_OF_MODELS, "random").x
        for seed in (0, 1, FIRST_SEED_OF_MODELS - 1):
            public = draw_set(name, 50, seed, "random").x
            assert not {one.tobytes() for one in trained} & {one.tobytes() for one in public}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"name": "shape"},
            ZooError,
            r"name='shape' is not one of the ground truths: shapes, motifs\. Did you mean 'shapes'",
        ),
        ({"framework": "jax"}, ZooError, r"framework='jax' is not one of the frameworks: torch, tensorflow"),
        ({"shortcut": "mislead"}, ZooError, r"shortcut='mislead' is not one of .* Did you mean 'misleading'"),
        ({"n": 0}, OptionError, r"n=0 is out of range: give a whole number of at least 1"),
        ({"n": 2.5}, OptionError, r"n=2\.5 is out of range"),
        ({"n": True}, OptionError, r"n=True is out of range"),
        ({"seed": -1}, OptionError, r"seed=-1 is out of range: give a whole number from 0 to 2,147,483,647"),
        ({"seed": 2**31}, OptionError, r"seed=2147483648 is out of range"),
    ],
)
def test_errors_say_what_to_give(given: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        zoo.ground_truth(**{"name": "motifs", **given})
