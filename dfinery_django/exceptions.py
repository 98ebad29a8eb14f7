"""The errors of this app. Remote outcomes are values (``states.Outcome``), never exceptions.

::

    DfineryError                     catch this for everything below
    ├── PayloadError                 a value can't become what DFINERY takes; ``.path`` says where
    ├── TransportError               no answer was had: refused, timed out, TLS, unreadable
    ├── RefusedInTests               tests run, and the address is not this machine
    ├── AlreadyRegistered            two definitions with one name
    └── NotRegistered                no definition of that name
    ImproperlyConfigured (Django)
    └── ConfigurationError           the DFINERY setting or a definition is wrong

``ConfigurationError`` stands outside the tree on purpose: ``except DfineryError`` around a call must not
hide a mistake in the settings.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured


class DfineryError(Exception):
    """Base of the errors that this app raises."""


class PayloadError(DfineryError):
    """A value that can't be sent as its field's type without loss.

    :param path: where in the payload, e.g. ``items[0].price``
    :param problem: what is wrong, without a full stop
    :param remedy: what to change, a sentence
    """

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        self.path = path
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{path}: {problem}. {remedy}")


class TransportError(DfineryError):
    """No answer came back.

    ``is_local_fault`` is true where retrying at once can't help because our side or the address is wrong
    (TLS failure, a URL that can't be used), false for what passes by itself (refused, reset, timed out).
    ``may_have_arrived`` is false where no byte of the request was sent: no connection was made.
    """

    def __init__(self, message: str, *, is_local_fault: bool = False, may_have_arrived: bool = True) -> None:
        self.is_local_fault = is_local_fault
        self.may_have_arrived = may_have_arrived
        super().__init__(message)


class RefusedInTests(DfineryError):
    """Tests run, and something was about to be sent to a host that is not this machine."""


class AlreadyRegistered(DfineryError):
    """A definition of this name is registered already."""


class NotRegistered(DfineryError):
    """No definition of this name is registered."""


class ConfigurationError(ImproperlyConfigured):
    """The ``DFINERY`` setting or an event definition is wrong; the message says which line to write."""


def error_text(error: BaseException) -> str:
    """Kind and text of any error: that of the site's own classes may be the next thing that fails."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - see above
        return type(error).__name__


def error_line(error: BaseException) -> str:
    """The same without line ends: drivers write several lines."""
    return " ".join(error_text(error).split())
