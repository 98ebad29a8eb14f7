"""Who may do what over the API."""

from __future__ import annotations

#: Person -> permissions; whether staff.
PEOPLE: dict[str, tuple[list[str], bool]] = {
    "customer": ([], False),
    "clerk": ([], True),
    "till": (["add_event"], False),
    "viewer": (["view_event"], True),
    "reader": (["view_event", "view_payload"], True),
    "monitor": (["view_destination"], False),
    "resender": (["view_event", "resend_event"], False),
    "canceller": (["view_event", "cancel_event"], False),
    "blind": (["resend_event", "cancel_event", "rebuild_event", "view_payload", "change_event", "delete_event"], True),
    "operator": (["view_event", "view_payload", "resend_event", "rebuild_event", "cancel_event", "add_event"], True),
}
VIEWERS = {"viewer", "reader", "resender", "canceller", "operator", "root"}
#: Address -> method -> who may.
MAY: dict[str, dict[str, set[str]]] = {
    "events/": {"GET": VIEWERS, "POST": {"till", "operator", "root"}},
    "events/<str:event_id>/": {"GET": VIEWERS},
    "events/<str:event_id>/resend/": {"POST": {"resender", "operator", "root"}},
    "events/<str:event_id>/cancel/": {"POST": {"canceller", "operator", "root"}},
    "health/": {"GET": VIEWERS | {"monitor"}},
}
