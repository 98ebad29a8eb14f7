"""The sandbox: a local fake DFINERY. It checks our wire contract independently, so it imports none of our modules."""

from .rules import Arrival
from .server import FAULTS, Fault, Sandbox

__all__ = ["FAULTS", "Arrival", "Fault", "Sandbox"]
