"""The methods of a logger: each level in print style, with a template, and as a title.

```text
info("loss", 0.25, sep=": ")              loss: 0.25
infofmt("{:.1%} of {what}", 0.5, what=x)  50.0% of …           str.format
infosection("epoch", 3)                   ========== epoch 3 ==========
```
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable

from tensorplex._inputs import plain_text

HIGHEST = 255
#: Longest bar on either side of a title, in bytes.
MAX_BAR = 256


def _printed(name: str, level: int) -> Callable[..., None]:
    def method(self: LogMethods, *msg: object, sep: str = " ") -> None:
        self.log(level, *msg, sep=sep)

    return _named(method, name, f"Logs with the level {name.upper()}, as ``print`` would.")


def _formatted(name: str, level: int) -> Callable[..., None]:
    def method(self: LogMethods, template: str, /, *args: object, **named: object) -> None:
        self.logfmt(level, template, *args, **named)

    return _named(method, f"{name}fmt", f"Logs ``template.format(...)`` with the level {name.upper()}.")


def _titled(name: str, level: int) -> Callable[..., None]:
    def method(self: LogMethods, *msg: object, sep: str = "=", repeat: int = 20) -> None:
        self.section(*msg, level=level, sep=sep, repeat=repeat)

    return _named(method, f"{name}section", f"Logs a title with the level {name.upper()}.")


def _named(method: Callable[..., None], name: str, doc: str) -> Callable[..., None]:
    method.__name__, method.__qualname__, method.__doc__ = name, f"LogMethods.{name}", doc
    return method


class LogMethods:
    """What logs. A class has one method of its own: ``_write_line(level, text)``."""

    def _write_line(self, level: int, text: str) -> None:
        raise NotImplementedError

    def log(self, level: int, *msg: object, sep: str = " ") -> None:
        """Logs with a level of your choice, from 0 to 255."""
        self._write_line(_level(level), message_text(msg, sep))

    def logfmt(self, level: int, template: str, /, *args: object, **named: object) -> None:
        """Logs ``template.format(...)`` with a level of your choice; one that does not fit is logged as it is, with the reason."""
        try:
            text = template.format(*args, **named)
        except Exception as error:
            text = f"{template} [not formatted: {type(error).__name__}: {error}]"
        self._write_line(_level(level), message_text((text,), ""))

    def section(self, *msg: object, level: int = logging.INFO, sep: str = "=", repeat: int = 20) -> None:
        """Logs a title between two bars, each of ``repeat // 2`` times ``sep``; a single bar without a title."""
        title, sep, times = message_text(msg, " "), message_text((sep,), ""), max(0, int(repeat) // 2)
        size = len(sep.encode()) * times
        if size > MAX_BAR:
            raise ValueError(f"bars of {size} bytes: at most {MAX_BAR} are allowed on each side")
        space = " " if title else ""
        self._write_line(_level(level), f"{sep * times}{space}{title}{space}{sep * times}")

    def exception(self, *msg: object, exc: BaseException | None = None, sep: str = " ") -> None:
        """Logs with the level ERROR, and the traceback of ``exc`` below it: the exception being handled if not given."""
        exc = sys.exception() if exc is None else exc
        lines = [] if exc is None else "".join(traceback.format_exception(exc)).strip().split("\n")
        text = "".join([message_text(msg, sep).removesuffix("\n"), *(f"\nERROR> {line}" for line in lines)])
        self._write_line(logging.ERROR, message_text((text,), ""))

    debug = _printed("debug", 10)
    debugfmt = _formatted("debug", 10)
    debugsection = _titled("debug", 10)
    info = _printed("info", 20)
    infofmt = _formatted("info", 20)
    infosection = _titled("info", 20)
    warning = _printed("warning", 30)
    warningfmt = _formatted("warning", 30)
    warningsection = _titled("warning", 30)
    error = _printed("error", 40)
    errorfmt = _formatted("error", 40)
    errorsection = _titled("error", 40)
    critical = _printed("critical", 50)
    criticalfmt = _formatted("critical", 50)
    criticalsection = _titled("critical", 50)
    debug1 = _printed("debug1", 11)
    debug1fmt = _formatted("debug1", 11)
    debug2 = _printed("debug2", 12)
    debug2fmt = _formatted("debug2", 12)
    debug3 = _printed("debug3", 13)
    debug3fmt = _formatted("debug3", 13)
    debug4 = _printed("debug4", 14)
    debug4fmt = _formatted("debug4", 14)
    debug5 = _printed("debug5", 15)
    debug5fmt = _formatted("debug5", 15)
    debug6 = _printed("debug6", 16)
    debug6fmt = _formatted("debug6", 16)
    debug7 = _printed("debug7", 17)
    debug7fmt = _formatted("debug7", 17)
    debug8 = _printed("debug8", 18)
    debug8fmt = _formatted("debug8", 18)
    debug9 = _printed("debug9", 19)
    debug9fmt = _formatted("debug9", 19)
    info1 = _printed("info1", 21)
    info1fmt = _formatted("info1", 21)
    info2 = _printed("info2", 22)
    info2fmt = _formatted("info2", 22)
    info3 = _printed("info3", 23)
    info3fmt = _formatted("info3", 23)
    info4 = _printed("info4", 24)
    info4fmt = _formatted("info4", 24)
    info5 = _printed("info5", 25)
    info5fmt = _formatted("info5", 25)
    info6 = _printed("info6", 26)
    info6fmt = _formatted("info6", 26)
    info7 = _printed("info7", 27)
    info7fmt = _formatted("info7", 27)
    info8 = _printed("info8", 28)
    info8fmt = _formatted("info8", 28)
    info9 = _printed("info9", 29)
    info9fmt = _formatted("info9", 29)


def _level(level: int) -> int:
    if isinstance(level, bool) or not isinstance(level, int):
        raise TypeError(f"level is a {type(level).__name__}: an int is wanted")
    if not 0 <= level <= HIGHEST:
        raise ValueError(f"level is {level}: 0 to {HIGHEST} is wanted")
    return int(level)


def message_text(msg: tuple[object, ...], sep: str) -> str:
    # Half a surrogate pair, such as in a file name, has no UTF-8 form.
    return plain_text(sep).join(map(_shown, msg)).encode("utf-8", "backslashreplace").decode()


def _shown(part: object) -> str:
    """The text of an object; one that cannot say what it is must not end the program that logs it."""
    try:
        return plain_text(part)
    except Exception as error:
        return f"<{type(part).__name__} without text: {type(error).__name__}>"
