"""TensorBoard's page shows the pictures and the curves of both frameworks, under their tags."""

from __future__ import annotations

import pytest
from short_training import train_twins
from tensorboard_server import tensorboard


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorboard")
    train_twins(folder / "runs", method="ig")
    with tensorboard(folder / "runs") as running:
        running.tags("images", 2)
        yield running


def shown_images(page):
    """The sizes of all pictures of events that the page shows."""
    page.wait_for_function(
        f"{_IMAGES}().length >= 4 && {_IMAGES}().every(one => one.naturalWidth > 0)", timeout=60_000
    )
    return page.evaluate(f"{_IMAGES}().map(one => [one.naturalWidth, one.naturalHeight, one.clientWidth])")


# Cards lie in shadow trees, one inside another.
_IMAGES = """(function images(root = document) {
    const own = [...root.querySelectorAll("img")].filter(one => one.src.includes("/data/plugin/"));
    const trees = [...root.querySelectorAll("*")].map(one => one.shadowRoot).filter(Boolean);
    return own.concat(...trees.map(images));
})"""


@pytest.mark.parametrize("tab", ["timeseries", "images"])
def test_pictures_are_shown_under_their_tags(server, open_page, tab, tmp_path):
    # Without a filter the first page of the time series has curves alone.
    page = open_page(f"{server.address}?tagFilter=cat%7Cship#{tab}")
    sizes = shown_images(page)
    assert len(sizes) == 4
    for width, height, on_page in sizes:
        assert width > 300
        assert height > 100
        assert on_page > 100
    for name in ("cat", "ship"):
        assert page.get_by_text(f"integrated_gradients/{name}", exact=False).first.is_visible()
    for run in ("torch", "tensorflow"):
        assert page.get_by_text(run, exact=True).first.is_visible()
    page.screenshot(path=tmp_path / f"{tab}.png")


def test_curves_are_shown_under_their_tags(server, open_page, tmp_path):
    page = open_page(f"{server.address}#scalars")
    tag = page.get_by_text("integrated_gradients/relative_l2/since_first", exact=True).first
    tag.wait_for(timeout=60_000)
    assert tag.is_visible()
    page.wait_for_timeout(1_000)
    page.screenshot(path=tmp_path / "scalars.png")
