"""TensorBoard's dashboards with the records of the example `gallery` in a real browser.

    gallery.py LOGDIR OUTDIR

        A picture of each dashboard, as OUTDIR/PAGE.png: those of docs/reference/records.md.

Each dashboard is recognized by a number of elements with content that match a CSS selector, and by words.
"""

import contextlib
import dataclasses
import io
import pathlib
import sys
import time

from PIL import Image

import webdriver

# Limit for a complete dashboard, in seconds.
LIMIT = 60

# Time after which a page is opened again, in seconds: a page loads its data only once.
REOPEN = 15

# Width of a picture, in pixels.
WIDTH = 840


@dataclasses.dataclass
class Dashboard:
    selector: str
    count: int
    words: list
    webgl: bool = False


DASHBOARDS = {
    "timeseries": Dashboard("scalar-card .series-view path, image-card img", 2, ["curve/mean", "boxes"]),
    "scalars": Dashboard("tf-scalar-card path.line", 3, ["curve/mean", "growth"]),
    "images": Dashboard("tf-image-loader img", 2, ["boxes", "grid"]),
    "audio": Dashboard("audio", 1, ["tone"]),
    "graphs": Dashboard("g.node", 3, ["dense", "loss"]),
    "distributions": Dashboard("vz-distribution-chart path.area", 1, ["weights"]),
    "histograms": Dashboard("g.histogram path", 10, ["weights"]),
    "text": Dashboard("tf-markdown-view em", 1, ["gallery"]),
    "pr_curves": Dashboard("tf-pr-curve-card path.line", 1, ["curve"]),
    "custom_scalars": Dashboard("vz-line-chart2 path.line", 3, ["both", "within"]),
    "hparams": Dashboard("vaadin-grid", 1, ["0.10000", "small", "true"]),
    "mesh": Dashboard("tf-mesh-loader canvas", 1, ["mesh"], webgl=True),
    "projector": Dashboard("vz-projector canvas", 1, ["Points: 10", "Dimension: 5"], webgl=True),
}

# The words of the page and how many visible elements with content match SELECTOR, through every
# shadow root and frame.
LOOK = r"""
const INLINE = ['A', 'B', 'CODE', 'EM', 'I', 'SPAN', 'STRONG', 'TF-WBR-STRING', 'WBR'];
const has_content = (node) => {
    switch (node.localName) {
        case 'path': return Boolean(node.getAttribute('d'));
        case 'img': return node.complete && node.naturalWidth > 0;
        case 'audio': return node.duration > 0;
        case 'canvas': return node.width > 0 && node.height > 0;
        default: return true;
    }
};
const hosts = [];
const matches = (node) => {
    // A selector cannot reach into a shadow root: its words are looked for one after the other on the way down.
    return SELECTOR.split(',').some((selector) => {
        const words = selector.trim().split(' ');
        if (!node.matches(words[words.length - 1])) return false;
        const above = words.slice(0, -1);
        let next = above.length - 1;
        for (let n = hosts.length - 1; n >= 0 && next >= 0; n--) if (hosts[n].matches(above[next])) next--;
        return next < 0;
    });
};
const found = { count: 0, text: '' };
const look = (node) => {
    if (node.nodeType === Node.TEXT_NODE) found.text += node.data;
    if (![Node.ELEMENT_NODE, Node.DOCUMENT_FRAGMENT_NODE].includes(node.nodeType)) return;
    const is_element = node.nodeType === Node.ELEMENT_NODE;
    if (is_element) {
        if (!['BODY', 'SLOT'].includes(node.nodeName) && node.checkVisibility && !node.checkVisibility()) return;
        if (matches(node) && has_content(node)) found.count += 1;
        hosts.push(node);
        // A document that is still loading has no body.
        if (node.localName === 'iframe' && node.contentDocument?.body) look(node.contentDocument.body);
        if (node.shadowRoot) look(node.shadowRoot);
    }
    node.childNodes.forEach(look);
    if (is_element) hosts.pop();
    if (!INLINE.includes(node.nodeName)) found.text += ' ';
};
if (document.body) look(document.body);
return found;
"""


@contextlib.contextmanager
def tensorboard(logdir):
    """Starts TensorBoard with its default options; gives its address."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)]
    address = ["--host", "127.0.0.1", "--port", "0"]
    with webdriver.program(command + address, r"at (http://127\.0\.0\.1:\d+)/") as ready:
        yield ready[1]


def missing(browser, address, page):
    """Waits for dashboard `page`; returns the things that it does not show in time."""
    dashboard = DASHBOARDS[page]
    script = f"const SELECTOR = {dashboard.selector!r};" + LOOK
    deadline = time.monotonic() + LIMIT
    while True:
        browser.open(f"{address}/#{page}")
        reopen = time.monotonic() + REOPEN
        while time.monotonic() < reopen:
            seen = browser.run(script)
            text = " ".join(seen["text"].split())
            lacks = [word for word in dashboard.words if word not in text]
            if seen["count"] < dashboard.count:
                lacks.append(f"{seen['count']} of {dashboard.count} {dashboard.selector!r}")
            if not lacks:
                return []
            time.sleep(webdriver.POLL)
        if time.monotonic() > deadline:
            return lacks


def still_picture(browser):
    """Picture of the page after it stopped moving, or after REOPEN seconds: the projector never stops."""
    picture, before = browser.picture(), None
    deadline = time.monotonic() + REOPEN
    while picture != before and time.monotonic() < deadline:
        time.sleep(1)
        picture, before = browser.picture(), picture
    return Image.open(io.BytesIO(picture))


def main():
    logdir, out = sys.argv[1], pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    with tensorboard(logdir) as address:
        for webgl in (False, True):
            with webdriver.browser(webgl) as browser:
                for page in (page for page, it in DASHBOARDS.items() if it.webgl == webgl):
                    if lacks := missing(browser, address, page):
                        sys.exit(f"#{page}: {lacks}")
                    picture = still_picture(browser)
                    size = WIDTH, WIDTH * picture.height // picture.width
                    picture = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
                    picture.quantize(128).save(out / f"{page}.png", optimize=True)


if __name__ == "__main__":
    main()
