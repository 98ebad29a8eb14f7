"""The admin: a file per page. Nothing is typed or deleted by hand: the row is the truth."""

from . import destinations, events, fields, overview, repairs  # noqa: F401 - registers them
from .links import DfineryEventsMixin

__all__ = ["DfineryEventsMixin"]
