"""An API token: given as a text, or read from where the site keeps its secrets whenever it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from .exceptions import ConfigurationError


class Token:
    """An API token that shows itself nowhere: not in a repr, a log line, an error page or a traceback.

    :param value: the token, or what it is read from: a callable, or an object that has ``reveal()`` or
        ``get_secret_value()``
    """

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def resolved(self) -> Token:
        """The token as it is now. Never raises: see ``fault``."""
        return Token(_resolved(self._value))

    def reveal(self) -> str:
        """
        :raises ConfigurationError: if it can't be used
        """
        token = self.resolved()
        if token.fault:
            raise ConfigurationError(f"The API token is {token.fault}.")
        return cast("str", token._value)  # noqa: SLF001 - in no name of this frame

    @property
    def fault(self) -> str:
        """What is wrong with it, or nothing."""
        return _fault(_resolved(self._value))

    @property
    def fault_at_start(self) -> str:
        """The same, but for a secret store that is out of reach: checks also run where an image is built."""
        value = _resolved(self._value)
        return "" if isinstance(value, _UnreadSecret) else _fault(value)

    @property
    def known_fault(self) -> str:
        """The same as far as it can be told without asking what the token is read from."""
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
    """In the place of a token: what was raised where it is read from. Its words may quote the token."""

    error: str


def _getter(value: Any) -> Any:
    if isinstance(value, (str, _UnreadSecret)):
        return None
    ways = (getattr(value, name, None) for name in ("reveal", "get_secret_value"))  # pydantic's SecretStr
    return next(filter(callable, ways), value if callable(value) else None)


def _resolved(value: Any) -> Any:
    try:
        while ask := _getter(value):
            value = ask()
    except Exception as error:  # noqa: BLE001 - the site's own code
        return _UnreadSecret(type(error).__name__)
    # Blanks and line ends around it come from the file or variable that it was read from.
    return str(value).strip() if isinstance(value, str) else value


def _fault(value: object) -> str:
    if isinstance(value, _UnreadSecret):
        return f"not to be had: {value.error} was raised where it is read from"
    if value is None or value == "":
        return "empty: set the environment variable or secret that it is read from"
    if not isinstance(value, str):
        return f"a {type(value).__name__}, not a text"
    if not value.isascii() or not value.isprintable() or " " in value:
        return "not usable in an HTTP header: it has blanks, line ends or characters outside ASCII"
    return ""
