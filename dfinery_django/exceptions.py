"""The errors of this app. Outcomes of requests are values (``enums.Outcome``), never exceptions.

All are a ``DfineryError`` but ``ConfigurationError``: ``except DfineryError`` around a call must not hide a mistake in
the settings.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured


class DfineryError(Exception):
    """The base of the errors that this app raises."""


class PayloadError(DfineryError):
    """A value that can't be sent as its field's type without loss.

    :param path: where in the payload, e.g. ``items[0].price``
    :param problem: what is wrong, without a full stop
    :param remedy: what to change, a sentence
    """

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = path, problem, remedy
        super().__init__(f"{path}: {problem}. {remedy}")


class TransportError(DfineryError):
    """A request without an answer: refused, timed out, TLS, unreadable.

    ``is_local_fault`` is true if our side or the address is wrong, so that a retry can't help (TLS failure, an
    unusable URL), and false for a transient fault (refused, reset, timed out).
    ``may_have_arrived`` is false if no byte of the request was sent: no connection was made.

    :param message: technical words, such as the class and the text of the library's error
    :param reason: a ``ReasonText`` for the people who run the shop; without one they read the message
    """

    def __init__(
        self, message: str, *, reason: str = "", is_local_fault: bool = False, may_have_arrived: bool = True
    ) -> None:
        self.reason, self.is_local_fault, self.may_have_arrived = reason, is_local_fault, may_have_arrived
        super().__init__(message)


class RefusedInTests(DfineryError):
    """A request to another machine while tests run."""


class AlreadyRegistered(DfineryError):
    """A second definition of the same name."""


class NotRegistered(DfineryError):
    """A name of which no definition is registered."""


class ConfigurationError(ImproperlyConfigured):
    """A mistake in the ``DFINERY`` setting or an event definition; the message says which line to write."""


def error_text(error: BaseException) -> str:
    """Return the class and the text of an error, or only the class if the error's own ``__str__`` fails."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - see above
        return type(error).__name__


def error_line(error: BaseException) -> str:
    """Return ``error_text`` without line ends: drivers write several lines."""
    return " ".join(error_text(error).split())
