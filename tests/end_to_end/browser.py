"""A headless browser that opens one page at a time, spoken to over its debugging pipe.

No driver and no package: the browser reads commands of the DevTools protocol on file
descriptor 3 and answers on 4, each message a JSON document that ends with a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60.0
_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def installed() -> str | None:
    """The browser's path, or None where none is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One tab: what it was told, what it answered, and what it complained of."""

    def __init__(self, tell: int, hear: int) -> None:
        self._tell, self._hear, self._last, self._rest = tell, hear, 0, b""
        self.complaints: list[str] = []
        self.asked_for: list[str] = []
        self._loaded = False
        self._session = ""
        tab = self.say("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.say("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.say(f"{domain}.enable")

    def say(self, method: str, **parameters: Any) -> Any:
        """Give a command and wait for its answer."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._tell, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._last:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, page: Path, width: int = 1280, height: int = 900) -> None:
        """Open a file in a window of that many CSS pixels, and wait until it is there."""
        self.say(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self._loaded = False
        self.say("Page.navigate", url=page.as_uri())
        while not self._loaded:
            self._note(self._next())

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        said = self.say("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def picture(self, top: int = 0, height: int = 900, width: int = 1280) -> bytes:
        """A PNG of part of the page."""
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        said = self.say("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(said["data"])

    def printed(self) -> bytes:
        """The page as a PDF, on the paper that its style sheet asks for."""
        said = self.say("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(said["data"])

    def _note(self, event: dict[str, Any]) -> None:
        method, about = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(f"console.{about['type']}")
        elif method == "Log.entryAdded":
            self.complaints.append(f"{about['entry']['source']}: {about['entry']['text']}")
        elif method == "Network.requestWillBeSent":
            self.asked_for.append(about["request"]["url"])

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._hear], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"the browser said nothing for {PATIENCE_S:.0f} s"
            part = os.read(self._hear, 1 << 20)
            assert part, "the browser went away"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Browser]:
    """A running browser with an empty profile and no network; it ends with the block."""
    theirs_in, tell = os.pipe()
    hear, theirs_out = os.pipe()
    flags = (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}",
        "--remote-debugging-pipe",
    )  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, str(theirs_in), str(theirs_out), program, *flags],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(tell, hear)
    finally:
        os.close(tell)  # the browser ends when nobody speaks to it any more
        os.close(hear)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
