"""An API token, given as a text or read from the site's secret store at each use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from .exceptions import ConfigurationError


class Token:
    """An API token that appears in no repr, log line, error page or traceback.

    :param value: the token, or its source: a callable, or an object that has ``reveal()`` or ``get_secret_value()``
    """

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def resolved(self) -> Token:
        """Read the token from its source. Never raises: see ``fault``."""
        return Token(_stripped(self._value))

    def reveal(self) -> str:
        """Return the token in clear text.

        :raises ConfigurationError: if it can't be used
        """
        token = self.resolved()
        if token.fault:
            raise ConfigurationError(f"The API token is {token.fault}.")
        return cast("str", token._value)  # noqa: SLF001 - no local variable: tracebacks show those

    @property
    def fault(self) -> str:
        """The fault that makes the token unusable, or an empty text."""
        return _fault(_stripped(self._value))

    @property
    def fault_at_start(self) -> str:
        """The fault, ignoring an unreachable secret store: checks also run where an image is built."""
        value = _stripped(self._value)
        return "" if isinstance(value, _UnreadSecret) else _fault(value)

    @property
    def known_fault(self) -> str:
        """The fault, as far as it is known without reading the secret store."""
        return "" if _getter(self._value) else self.fault

    def __repr__(self) -> str:
        return "<Token ********>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and other._value == self._value

    def __hash__(self) -> int:
        return hash(Token)

    def __reduce__(self) -> Any:
        raise TypeError("A Token is not pickled: name its destination instead.")


@dataclass(frozen=True)
class _UnreadSecret:
    """A token that could not be read. Only the error's class is kept: its text may quote the token."""

    error: str


def _getter(value: Any) -> Any:
    if isinstance(value, (str, _UnreadSecret)):
        return None
    getters = (getattr(value, name, None) for name in ("reveal", "get_secret_value"))  # pydantic's SecretStr
    return next(filter(callable, getters), value if callable(value) else None)


def read_secret(value: Any) -> Any:
    """Read a secret from its source, if it has one. Never raises: what can't be read is no text."""
    try:
        while getter := _getter(value):
            value = getter()
    except Exception as error:  # noqa: BLE001 - the site's own code
        return _UnreadSecret(type(error).__name__)
    return value


def _stripped(value: Any) -> Any:
    value = read_secret(value)
    # Files and environment variables often end in a line end.
    return str(value).strip() if isinstance(value, str) else value


def _fault(value: object) -> str:
    if isinstance(value, _UnreadSecret):
        return f"not readable: its source raised {value.error}"
    if value is None or value == "":
        return "empty: set the environment variable or secret that it is read from"
    if not isinstance(value, str):
        return f"a {type(value).__name__}, not a text"
    if not value.isascii() or not value.isprintable() or " " in value:
        return "not usable in an HTTP header: it has blanks, line ends or characters outside ASCII"
    return ""
