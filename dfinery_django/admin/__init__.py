"""The admin, one file per page. Everything is read-only: rows are neither typed nor deleted by hand."""

from . import destinations, events, fields, overview, repairs  # noqa: F401 - registers them
from .links import DfineryEventsMixin

__all__ = ["DfineryEventsMixin"]
