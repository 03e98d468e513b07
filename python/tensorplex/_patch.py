"""`patch`: the classes of torch and tensorboardX, replaced where they are, or when they come."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from types import ModuleType
from typing import Any

from tensorplex.global_writer import GlobalSummaryWriter
from tensorplex.summary_writer import SummaryWriter

#: What takes the place of classes of the same name.
_REPLACEMENTS = {ours.__name__: ours for ours in (SummaryWriter, GlobalSummaryWriter)}
#: Modules that may have these names.
_PATCHED_MODULES = (
    "torch.utils.tensorboard",
    "torch.utils.tensorboard.writer",
    "tensorboardX",
    "tensorboardX.writer",
    "tensorboardX.global_writer",
)


class Patch:
    """Classes that were replaced; ``undo`` brings them back, as does the end of a ``with`` block."""

    def __init__(self) -> None:
        self._changed: list[tuple[ModuleType, str, Any]] = []
        self._finder = _Finder(self._replace_in)
        sys.meta_path.insert(0, self._finder)
        originals = [original for name in _PATCHED_MODULES if (module := sys.modules.get(name)) for original in _classes(module)]
        # Whoever imported a class before has it under a name of its own.
        for module in list(sys.modules.values()):
            for name, value in list(getattr(module, "__dict__", {}).items()):
                if any(value is original for original in originals):
                    self._replace(module, name, value)

    def _replace_in(self, module: ModuleType) -> None:
        for name, ours in _REPLACEMENTS.items():
            found = getattr(module, name, None)
            if found is ours:
                # It took the class from another module of its package, in which it was replaced already.
                package = module.__name__.split(".")[0]
                others = ((other.__name__.split(".")[0], attribute, old) for other, attribute, old in self._changed)
                found = next((old for other, attribute, old in others if (other, attribute) == (package, name)), found)
            if isinstance(found, type):
                self._replace(module, name, found)

    def _replace(self, module: ModuleType, name: str, original: type) -> None:
        self._changed.append((module, name, original))
        setattr(module, name, _REPLACEMENTS[original.__name__])

    def undo(self) -> None:
        """Brings the classes back. Writers that were made go on."""
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        while self._changed:
            module, name, original = self._changed.pop()
            setattr(module, name, original)

    def __enter__(self) -> Patch:
        return self

    def __exit__(self, *raised: object) -> None:
        self.undo()


def patch() -> Patch:
    """Makes ``SummaryWriter`` of torch and of tensorboardX this package's, for whoever imported it or will import it; and
    ``GlobalSummaryWriter`` of tensorboardX.

    Neither needs to be imported, or installed. ``undo()`` of the result brings them back.
    """
    return Patch()


def _classes(module: ModuleType) -> list[type]:
    """The classes of a module that are to be replaced."""
    found = [(getattr(module, name, None), ours) for name, ours in _REPLACEMENTS.items()]
    return [original for original, ours in found if isinstance(original, type) and original is not ours]


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing itself; has a module that others find changed as soon as it is loaded."""

    def __init__(self, change) -> None:
        self._change = change
        self._is_searching = False

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in _PATCHED_MODULES or self._is_searching:
            return None
        self._is_searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._is_searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._change)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader, change) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module) -> None:
        self._loader.exec_module(module)
        self._change(module)

    def __getattr__(self, name: str):
        # Such as get_source, for tracebacks.
        return getattr(self._loader, name)
