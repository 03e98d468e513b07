"""Every dashboard shows the records of the example `gallery`, one test per dashboard."""

import contextlib
import subprocess

import pytest

import gallery
import programs
import webdriver


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("gallery")
    subprocess.run([programs.built("examples/gallery"), logdir], check=True, timeout=120)
    with gallery.tensorboard(logdir) as address:
        yield address


@pytest.fixture(scope="module")
def browsers():
    """A browser without WebGL, for charts as SVG, and one with WebGL."""
    with contextlib.ExitStack() as stack:
        yield {webgl: stack.enter_context(webdriver.browser(webgl)) for webgl in (False, True)}


@pytest.mark.parametrize("page", gallery.DASHBOARDS)
def test_a_dashboard_shows_its_records(address, browsers, page):
    browser = browsers[gallery.DASHBOARDS[page].webgl]
    assert gallery.missing(browser, address, page) == []


def test_missing_things_are_reported(address, browsers, monkeypatch):
    monkeypatch.setattr(gallery, "LIMIT", 1)
    monkeypatch.setattr(gallery, "REOPEN", 1)
    nothing = gallery.Dashboard("tf-markdown-view video", 1, ["nothing like it"])
    monkeypatch.setitem(gallery.DASHBOARDS, "text", nothing)
    lacks = gallery.missing(browsers[False], address, "text")
    assert lacks == ["nothing like it", "0 of 1 'tf-markdown-view video'"]
