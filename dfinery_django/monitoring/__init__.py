"""The state of delivery: numbers, reports, findings, health.

It changes nothing, and imports no ``delivery``. Only the doors import it.
"""

from .health import assess
from .overview import look

__all__ = ["assess", "look"]
