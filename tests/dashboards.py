"""Checks and pictures of TensorBoard's pages in a real browser.

    dashboards.py check LOGDIR [--scalars TAG...] [--histograms TAG...] [--text STRING...] [--seconds N]

        Opens the pages and waits until each thing is there: for a scalar a card on #timeseries and one
        on #scalars with a line drawn in it, for a histogram a card on #histograms with its outlines,
        for a text the string on #text; for each of them at most N seconds. Exit status 1, and a list
        of what is missing, otherwise.

    dashboards.py shot LOGDIR [--page PAGE] [--tags REGEX] OUT.png

        A picture of a page (timeseries, scalars, histograms, text, ...), 1400 x 900, taken when its
        cards are drawn and nothing moves any more.

TensorBoard runs with its default (fast) loader. With more than 40 runs it shows none at first.
SIGTERM ends this program and the processes that it started.
"""

import argparse
import pathlib
import re
import signal
import sys
import time
import urllib.parse

import webdriver

# Limit for one expected thing on a page, in seconds.
PAGE_LIMIT = 30.0

# Time after which a page is opened again, in seconds: a page loads its data only once.
REOPEN = 8

# The text of the page that can be read, and its cards: {text, lines, in_view}, where `lines` counts
# the curves or outlines drawn in the card. Walks through every shadow root.
LOOK = r"""
const INLINE = ['A', 'B', 'CODE', 'EM', 'I', 'SPAN', 'STRONG', 'TF-WBR-STRING', 'WBR'];
const CARD = 'scalar-card, histogram-card, image-card, tf-scalar-card, tf-histogram-loader, tf-text-loader';
const LINE = '.series-view path, g.histogram path, path.line';

const look = (node, seen) => {
    if (node.nodeType === Node.TEXT_NODE) {
        seen.text += node.data;
        return;
    }
    if (node.nodeType === Node.COMMENT_NODE) return;
    if (!['BODY', 'SLOT'].includes(node.nodeName) && node.checkVisibility && !node.checkVisibility()) return;
    const inside = node.matches?.(CARD) ? { text: '', lines: 0, cards: [] } : seen;
    if (node.matches?.(LINE) && node.getAttribute('d')) inside.lines += 1;
    const line_break = INLINE.includes(node.nodeName) ? '' : '\n';
    inside.text += line_break;
    if (node.shadowRoot) look(node.shadowRoot, inside);
    node.childNodes.forEach((child) => look(child, inside));
    inside.text += line_break;
    if (inside !== seen) {
        const box = node.getBoundingClientRect();
        const in_view = box.top < window.innerHeight && box.bottom > 0;
        seen.cards.push({ text: inside.text, lines: inside.lines, in_view: in_view });
        seen.text += inside.text;
    }
};

const page = { text: '', lines: 0, cards: [] };
if (document.body) look(document.body, page);
return page;
"""

# Room for the charts: without the settings beside and the table below each of them.
CHARTS_ONLY = """
    localStorage.setItem('_tb_global_settings', JSON.stringify({
        timeSeriesSettingsPaneOpened: false,
        stepSelectorEnabled: false,
    }));
"""


def main():
    # An exception unwinds the blocks that end child processes.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))

    args = arguments()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", args.logdir]
    address = ["--host", "127.0.0.1", "--port", "0"]
    with (
        webdriver.program(command + address, r"at (http://127\.0\.0\.1:\d+)/") as ready,
        webdriver.browser() as browser,
    ):
        args.run(Dashboards(browser, ready[1]), args)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("check")
    command.add_argument("logdir")
    command.add_argument("--scalars", metavar="TAG", nargs="+", default=[])
    command.add_argument("--histograms", metavar="TAG", nargs="+", default=[])
    command.add_argument("--text", metavar="STRING", nargs="+", default=[])
    command.add_argument("--seconds", type=float, default=PAGE_LIMIT)
    command.set_defaults(run=check)

    command = commands.add_parser("shot")
    command.add_argument("logdir")
    command.add_argument("out", type=pathlib.Path)
    command.add_argument("--page", default="timeseries")
    command.add_argument("--tags", metavar="REGEX", default="")
    command.set_defaults(run=shot)
    return parser.parse_args()


def check(dashboards, args):
    missing = [
        f"#{page}: {what}"
        for page, filter, what, condition in expectations(args)
        if not dashboards.wait(page, filter, condition, args.seconds)
    ]
    if missing:
        sys.exit("missing in TensorBoard:\n" + "\n".join(missing))


def expectations(args):
    """Tuples of page, tag filter, name of the expected thing, and condition on the result of `LOOK`."""
    pages = {"timeseries": args.scalars, "scalars": args.scalars, "histograms": args.histograms}
    for page, tags in pages.items():
        for tag in tags:
            # The filter hides cards of other tags, so that this one is not folded away or on a
            # later page.
            filter = f"^{re.escape(tag)}$"
            yield page, filter, f"a chart of {tag!r}", lambda seen, tag=tag: has_chart(seen, tag)
    for string in args.text:
        yield "text", "", f"the text {string!r}", lambda seen, string=string: string in seen["text"]


def has_chart(seen, tag):
    """True when a card has the line `tag`, and not only a longer tag, and a curve or outline."""
    return any(
        card["lines"] > 0 and tag in map(str.strip, card["text"].splitlines()) for card in seen["cards"]
    )


def shot(dashboards, args):
    dashboards.browser.before_each_page(CHARTS_ONLY)
    pictures = [None]

    def is_still(seen):
        if is_drawn(seen, args.page):
            pictures.append(dashboards.browser.picture())
        return pictures[-1] is not None and pictures[-1] in pictures[-2:-1]

    if not dashboards.wait(args.page, args.tags, is_still, PAGE_LIMIT):
        sys.exit(f"#{args.page} was not drawn within {PAGE_LIMIT:g} s")
    args.out.write_bytes(pictures[-1])


def is_drawn(seen, page):
    cards = [card for card in seen["cards"] if card["in_view"]]
    return bool(cards) and all(card["lines"] > 0 or page == "text" for card in cards)


class Dashboards:
    """The pages of a TensorBoard at `address`."""

    def __init__(self, browser, address):
        self.browser = browser
        self._address = address

    def wait(self, page, filter, condition, seconds):
        """Waits for `condition` on `page`, with tags that match `filter`; true when it held in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.browser.open(self._url(page, filter))
            reopen = min(deadline, time.monotonic() + REOPEN)
            while time.monotonic() < reopen:
                if condition(self.browser.run(LOOK)):
                    return True
                time.sleep(webdriver.POLL)
        return False

    def _url(self, page, filter):
        if not filter:
            return f"{self._address}/#{page}"
        filter = urllib.parse.quote(filter, safe="")
        # TensorBoard's new page reads the filter from the query, the old pages from the fragment.
        if page == "timeseries":
            return f"{self._address}/?tagFilter={filter}#{page}"
        return f"{self._address}/#{page}&tagFilter={filter}"


if __name__ == "__main__":
    main()
