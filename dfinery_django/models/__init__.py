"""The tables, and the queries that claim, record and prune their rows. The row is the truth, the queue an alarm clock.

They send nothing and build nothing. Every package above may import the names that are listed here.
"""

from .bulk_action import Repair
from .destination import Destination
from .event import DeliveryAttempt, Event, Overview
from .ledgers import CustomField, Incident, Total

__all__ = ["CustomField", "DeliveryAttempt", "Destination", "Event", "Incident", "Overview", "Repair", "Total"]
