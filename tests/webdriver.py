"""A browser and the WebDriver commands that the dashboard tests need, with the standard library only.

Programs are started with `program`, which ends them and all their children, however the block is left.
"""

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

# Limit for the start of a program, in seconds.
START_LIMIT = 60

# Time for a program to end by itself before it is killed, in seconds.
END_LIMIT = 5

# Limit for one command to the browser, in seconds.
COMMAND_LIMIT = 60

# Polling interval, in seconds.
POLL = 0.1

SIZE = {"width": 1400, "height": 900}

CHROMIUM_FLAGS = [
    "--headless",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Containers often have a small /dev/shm.
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
]

# Without WebGL TensorBoard draws charts as SVG, whose lines can be found in the page, and not as
# pixels.
WITHOUT_WEBGL = ["--disable-gpu", "--disable-3d-apis"]
# WebGL in software, for meshes and the projector.
WITH_WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

# The driver takes a free port of IPv6 and then wants the same one of IPv4, which another program
# may hold by now: it needs more than one attempt.
DRIVER = ["chromedriver", "--port=0"], r"started successfully on port (\d+)"

# All addresses are on this machine, so a proxy in the environment is ignored.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StartError(RuntimeError):
    """A program ended, or exceeded its limit, before it was ready."""


@contextlib.contextmanager
def program(command, ready, attempts=1):
    """Runs `command` for the length of the block; gives the match of `ready` in its output."""
    process, match = start(command, ready, attempts)
    try:
        yield match
    finally:
        end(process)


def start(command, ready, attempts):
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"{command[0]} is not installed; see scripts/setup")
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            return process, wait_for_output(process, output, ready)
        except StartError:
            end(process)
            if attempts == 1:
                raise
            return start(command, ready, attempts - 1)
        except BaseException:
            end(process)
            raise


def wait_for_output(process, output, ready):
    deadline = time.monotonic() + START_LIMIT
    while True:
        text = os.pread(output.fileno(), 1 << 20, 0).decode(errors="replace")
        match = re.search(ready, text)
        if match:
            return match
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartError(f"{process.args[0]} did not start; its output:\n{text}")
        time.sleep(POLL)


def end(process):
    """Ends the session that `process` leads: first by request, then by force."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_LIMIT)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def browser(webgl=False):
    """Chromium with an empty profile and a page of `SIZE`."""
    with (
        tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile,
        program(*DRIVER, attempts=5) as ready,
    ):
        flags = [*CHROMIUM_FLAGS, *(WITH_WEBGL if webgl else WITHOUT_WEBGL), f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        options = {"args": flags, "binary": shutil.which("chromium")}
        driver = f"http://127.0.0.1:{ready[1]}"
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        session = post(f"{driver}/session", wanted)["sessionId"]
        try:
            yield Browser(f"{driver}/session/{session}")
        finally:
            # Chromium may have ended already; its other processes end with the driver's session.
            with contextlib.suppress(OSError, RuntimeError):
                send("DELETE", f"{driver}/session/{session}")


class Browser:
    def __init__(self, session):
        self._session = session
        metrics = SIZE | {"deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)

    def before_each_page(self, script):
        """Makes `script` run before the scripts of each page that is opened later."""
        self._devtools("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def open(self, url):
        # The empty page forces a load: a URL that differs only after the `#` loads nothing.
        for step in ("about:blank", url):
            post(f"{self._session}/url", {"url": step})

    def run(self, script):
        """Runs `script`; returns its value."""
        return post(f"{self._session}/execute/sync", {"script": script, "args": []})

    def picture(self):
        """The page as PNG."""
        return base64.b64decode(send("GET", f"{self._session}/screenshot"))

    def _devtools(self, command, parameters):
        post(f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})


def post(url, body):
    return send("POST", url, json.dumps(body).encode())


def send(method, url, body=None):
    request = urllib.request.Request(
        url, body, {"Content-Type": "application/json; charset=utf-8"}, method=method
    )
    try:
        with HTTP.open(request, timeout=COMMAND_LIMIT) as response:
            return json.load(response)["value"]
    except urllib.error.HTTPError as error:
        message = error.read().decode(errors="replace")
        raise RuntimeError(f"{method} {url}: {message}") from None
