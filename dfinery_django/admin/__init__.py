"""The admin, one file per page. Everything is read-only: rows are neither typed nor deleted by hand.

Every web process imports it, few show a page: what only an opened page needs is imported by its view.
"""

from . import destinations, events, fields, overview, repairs  # noqa: F401 - registers them
from .links import DfineryEventsMixin

__all__ = ["DfineryEventsMixin"]
