"""Signals for the site, all sent with ``send_robust``: a receiver that raises an error does no harm.

Receivers run in the worker, after the database has been updated.
"""

from __future__ import annotations

from django.dispatch import Signal

#: An event was accepted by DFINERY. Arguments: ``event`` (:class:`~dfinery_django.models.Event`).
event_delivered = Signal()
#: An event can't be built or was refused for good. Arguments: ``event``; see ``event.reason``.
event_failed = Signal()
#: An event's 48 hours were over before it arrived. Arguments: ``event``.
event_expired = Signal()
#: A destination was stopped because it refuses us (token, address, TLS). Arguments: ``destination``
#: (:class:`~dfinery_django.models.Destination`), ``reason`` (str).
destination_blocked = Signal()
#: A stopped destination accepted an event again. Arguments: ``destination``.
destination_recovered = Signal()
#: Events have waited for more than half of their time. Arguments: ``destination`` (alias, str), ``count``,
#: ``oldest`` (datetime).
events_at_risk = Signal()
#: A destination was stopped for any reason: no proper answers, rate limit, or as in ``destination_blocked``.
#: Arguments: ``destination``, ``reason`` (str).
destination_closed = Signal()
#: An operator paused or resumed a destination. Arguments: ``destination``.
destination_paused = Signal()
destination_resumed = Signal()
