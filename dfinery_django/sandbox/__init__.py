"""The sandbox: a local pretend DFINERY. A second opinion on the wire contract, so it imports nothing of ours."""

from .rules import Arrival
from .server import FAULTS, Fault, Sandbox

__all__ = ["FAULTS", "Arrival", "Fault", "Sandbox"]
