"""Objects that the tests serve."""

import os
import threading
import time

import numpy as np

import tensorplex


class MyObject:
    """The object of the original's README, word for word in what it does."""

    def __init__(self, x, y):
        self.x = x
        self.y = y
        self._client_id = None

    def add(self, delta, var="x"):
        if var == "x":
            self.x += delta
        else:
            self.y += delta
        return self.x + self.y + self._client_id

    def mult(self, factor):
        self.x *= factor
        self.y *= factor
        return self.x * self.y * self._client_id

    def _set_client_id(self, client_id):
        # this method is only required if you set `has_client_id=True`
        self._client_id = client_id


class Slow:
    """The object of the original's own test: keyword-only, variadic and slow methods."""

    def __init__(self, x, y):
        self.x = x
        self.y = y
        self._client_id = None

    def add(self, delta, var="x"):
        if var == "x":
            self.x += delta
        else:
            self.y += delta
        time.sleep(0.2)
        return self._get()

    def mult(self, *, factor):
        self.x *= factor
        self.y *= factor
        return self._get()

    def tell(self, *msg):
        return f"{msg} {self._get()}"

    def _get(self):
        return f"{self.x}({self.y}&{self._client_id})"

    def _set_client_id(self, client_id):
        self._client_id = client_id


class CustomError(Exception):
    pass


class Anything:
    """One method for each way in which a call can go."""

    constant = 3

    class Nested:
        pass

    def __init__(self):
        self.heard = []
        self._secret = 1

    def echo(self, value):
        """Gives back what it got."""
        return value

    def shape(self, a, /, b, c=3, *rest, d, e=5, **others):
        return [a, b, c, rest, d, e, others]

    def hear(self, value: int = 0, *, times: "int" = 1) -> list:
        self.heard.extend([value] * times)

    def all_heard(self):
        return self.heard

    def fail(self, kind, *args):
        errors = {
            "ValueError": ValueError,
            "CustomError": CustomError,
            "SystemExit": SystemExit,
            "KeyboardInterrupt": KeyboardInterrupt,
            "GeneratorExit": GeneratorExit,
        }
        raise errors[kind](*args)

    def mute(self):
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError

        raise Mute

    def unsendable(self):
        return {"a": [object()]}

    def large(self, size):
        return np.zeros(size, np.uint8)

    def thread(self):
        return threading.current_thread() is threading.main_thread()

    def pid(self):
        return os.getpid()

    def plain(self, count, ratio, name, raw, list, map):
        return {"got": [count, ratio, name + str(len(raw)), list, map]}

    def add(self, a, b=5):
        return a + b

    @staticmethod
    def static(a, b=2):
        return a * b

    @classmethod
    def of_class(cls, a):
        return f"{cls.__name__} {a}"

    @property
    def public_property(self):
        raise AssertionError("a property is not a method")

    def _private(self):
        return self._secret


AnythingClient = tensorplex.RemoteCall.make_client_class(Anything)
OneWayClient = tensorplex.RemoteCall.make_client_class(Anything, "OneWayClient", has_return_value=False)
