"""The catalogue of reasons: code -> English text with named placeholders, marked for translation.

Problems are without a full stop; remedies and reasons are sentences. A code is stored with its event: one that is no
longer used is taken out, and its stored rows are then shown in English.
"""

from __future__ import annotations

from collections.abc import Mapping


def _(text: str) -> str:
    """Mark a text for translation. Django's own function reads the settings, and a settings module may import this."""
    return text


_OF_VALUES = {
    "payload": _("%(path)s: %(problem)s. %(remedy)s"),
    "from_source": _("%(problem)s (from %(source)s)"),
    "not_storable_date": _("%(date)s is not a date that every database can store"),
    "date_too_late": _("%(date)s is so late that no database can store the date %(hours)s hours after it"),
    "map_real_date": _("Map a date that something happened on, or leave it out (None)."),
    "not_a_moment": _("a %(kind)s is not a point in time"),
    "map_datetime": _("Map a datetime, e.g. a DateTimeField."),
    "no_utc_date": _("a %(kind)s that has no date in UTC"),
    "lone_surrogate": _("the text has a lone surrogate (half a character)"),
    "decode_utf8": _("Store it decoded as UTF-8."),
    "unsendable": _("a %(kind)s can't be sent"),
    "reload_first": _("It is an unresolved database expression: reload the object before its event is built."),
    "map_field": _("It is a model instance: let the path go on to one of its fields, e.g. '.pk'."),
    "map_amount": _("It looks like a money object: let the path go on to '.amount'."),
    "map_entry": _("DFINERY takes nested values only in items: map one entry, or a callable that joins them."),
    "map_scalar": _("Map a path or a callable that ends in a text, number, boolean or date."),
    "map_boolean": _("Map True or False, e.g. a BooleanField."),
    "map_integer": _("Map a whole number, e.g. int(…) in a callable."),
    "map_number": _("Map a number, e.g. Decimal(…) in a callable."),
    "round_fraction": _("It has a fraction: round it, or send a Double field."),
    "beyond_64_bits": _("the number does not fit into 64 bits"),
    "send_as_text": _("Send it as a text (String)."),
    "too_many_digits": _("%(value)s has more digits than a Double can hold"),
    "round_it": _("Round it, e.g. round(value, 2)."),
    "inexact_double": _("the number is too large for a Double to hold exactly"),
    "not_finite": _("%(value)s is not a finite number"),
    "leave_field_out": _("Leave the field out (None) instead."),
    "endless_number": _("the number has more than %(count)s digits"),
    "round_in_callable": _("Round it in a callable."),
    "wrong_kind": _("a %(kind)s is not a %(type)s"),
    "wrong_value": _("%(kind)s %(value)s is not a %(type)s"),
    "bad_field_name": _("a field's name must be a text that is not empty"),
    "rename_field": _("Rename it."),
    "reserved_field": _("%(name)s can't be mapped"),
    "leave_reserved_out": _("Leave it out: %(why)s."),
    "made_at_capture": _("it is made at capture and never changes"),
    "set_on_definition": _("set %(name)s on the definition"),
    "type_drift": _("a %(found)s where %(name)s was a %(type)s so far"),
    "declare_type": _("Convert it in the mapping, or decide: %(line)s."),
}

_OF_MAPPINGS = {
    "no_phonenumbers": _("the package phonenumbers is not installed"),
    "install_phone": _("Run %(command)s, then rebuild the event."),
    "no_user_id": _("it is empty, and DFINERY takes no event without a user"),
    "map_guests": _(
        'For guests map e.g. Coalesce("customer.pk", Hashed("guest_email")), or set "guests": "skip".'
    ),
    "empty_moment": _("%(source)s is empty"),
    "map_never_empty": _("Map a field that is never empty."),
    "bad_path": _("path %(path)s: %(problem)s"),
    "fix_path": _("Fix %(part)s in the path."),
    "no_attribute": _("'%(kind)s' object has no attribute '%(name)s'"),
    "changes_data": _("%(name)s() changes data"),
    "map_reader": _("Map something that only reads."),
    "no_row": _("a %(kind)s is no row of the database, which would compute it"),
    "map_python": _("Map a path or a callable here."),
    "not_stored": _("the %(kind)s is not in the database"),
    "no_relation": _("a %(kind)s has no to-many relation %(name)s"),
    "map_relation": _("Write the name of a to-many relation in Rows()."),
    "source_raised": _("%(source)s raised %(error)s"),
    "fix_and_rebuild": _("Fix the mapping or what it calls, then rebuild the event."),
    "no_key_text": _("one %(kind)s can't be told from another"),
    "give_key_text": _("Give a text, a number, a UUID or a tuple."),
    "unsaved": _("a %(kind)s that is not saved has no key"),
    "save_first": _("Save it first."),
    "empty": _("it is empty"),
    "give_event_name": _("Give the event a name."),
    "give_user_id": _("Give the user's key."),
    "has_nul": _("it has a U+0000, which no database stores"),
    "leave_out": _("Leave it out."),
    "name_too_long": _("it has more than %(count)s characters"),
    "shorten": _("Shorten it."),
    "no_mapping": _("a %(kind)s is no mapping"),
    "give_dict": _("Give a dict: name to value."),
    "too_large": _("it has more than %(count)s bytes"),
    "send_less": _("Send less of it."),
    "definition_raised": _("%(name)s raised %(error)s. Fix the definition, then rebuild."),
    "capture_raised": _("%(name)s, at capture, raised %(error)s. Fix it, then rebuild the event."),
    "scope_raised": _("%(name)s: its scope %(scope)s raised %(error)s. Fix it, then rebuild the event."),
    "source_unreadable": _("%(source)s can't be read: %(error)s"),
    "source_gone": _("%(source)s is gone: it was deleted before the event was built."),
    "not_registered": _("No event definition is named %(name)s. Bring it back, then rebuild the event."),
    "no_token": _("There is no token for %(destination)s: add it to DFINERY['TOKENS'], then rebuild the event."),
    "guest": _("A guest: the definition skips guests."),
    "no_consent": _("There is no consent to it: consent was refused when it was to be built."),
    "items_missing": _("Its items are not there yet."),
    "untrue_yet": _("The row does not match its 'when' yet."),
    "untrue": _("The row does not match its 'when': the signal's change is not stored, or not any more."),
    "database_failed": _("A database that its mapping reads failed (%(error)s). It is retried."),
    "builder_lost": _(
        "%(count)s workers in a row ended while building it: its mapping hangs, or takes too much memory. "
        "Fix it, then rebuild the event."
    ),
    "unstorable": _("The database can't store it: %(error)s"),
    "refused_by_database": _("The database refuses it. %(error)s"),
    "unreadable_date": _(
        "Event %(event)s could not be read: %(columns)s had no date between the years %(first)s and %(last)s. "
        "It was set to the time at which that was found."
    ),
}  # fmt: skip

_OF_DELIVERY = {
    "sender_lost": _("%(count)s workers in a row ended while sending it. If something else stopped them, resend it."),
    "cancelled": _("Cancelled by %(who)s."),
    "cancelled_unsure": _(
        "Cancelled by %(who)s after an attempt without a proper answer: it may have arrived."
    ),
    "answer_improper": _("DFINERY gave no proper answer; the event is retried. It said: %(answer)s"),
    "rate_limited": _("DFINERY's rate limit is used up. It said: %(answer)s"),
    "rejected": _("DFINERY refuses this event. It said: %(answer)s"),
    "blocked": _("DFINERY refuses us (%(cause)s). It said: %(answer)s"),
    "token_not_accepted": _("the API token is missing or not accepted"),
    "token_without_right": _("the API token has no right to do this"),
    "token_invalid": _("the API token is not valid"),
    "wrong_address": _("nothing takes events at this address: see BASE_URL"),
    "token_unusable": _("DFINERY['TOKENS'][%(destination)s] is %(fault)s."),
    "token_empty": _("empty: set the environment variable or secret that it is read from"),
    "token_not_ascii": _(
        "not usable in an HTTP header: it has blanks, line ends or characters outside ASCII"
    ),
    "no_answer": _("No answer from DFINERY. %(error)s"),
    "request_failed": _(
        "The request could not be made, or its answer not read, by a mistake of the software: "
        "see the attempt, or the log."
    ),
    "never_ended": _("The request had no end after %(seconds)s s: does the resolver (DNS) answer?"),
}  # fmt: skip

_OF_NETWORK = {
    "joined": _("%(first)s %(then)s"),
    "connection_refused": _("Connection refused by %(place)s: nothing was sent."),
    "name_unknown": _("The resolver (DNS) finds no address of %(place)s: nothing was sent."),
    "unreachable": _("The network does not reach %(place)s: nothing was sent."),
    "connect_timed_out": _("No connection to %(place)s within %(seconds)s s: nothing was sent."),
    "connection_cut": _("%(place)s closed the connection before anything was sent."),
    "not_connected": _("No connection to %(place)s could be made: nothing was sent."),
    "cut_while_sending": _("%(place)s closed the connection while the event was sent: it may have arrived."),
    "send_timed_out": _("%(place)s did not take the whole event in time: it may have arrived."),
    "cut_before_answer": _("%(place)s closed the connection before it answered: the event may have arrived."),
    "answer_timed_out": _("%(place)s did not answer within %(seconds)s s: the event may have arrived."),
    "answer_too_slow": _("The answer of %(place)s took more than %(seconds)s s: the event may have arrived."),
    "answer_unreadable": _("The answer of %(place)s is incomplete or is not HTTP: the event may have arrived."),
    "certificate_expired": _("TLS failed: the certificate of %(place)s has expired. Nothing was sent."),
    "certificate_not_yet_valid": _(
        "TLS failed: the certificate of %(place)s is not valid yet. Nothing was sent. Is this machine's clock right?"
    ),
    "certificate_untrusted": _(
        "TLS failed: the certificate of %(place)s is not signed by an authority that is trusted here. Nothing was sent."
    ),
    "certificate_of_another": _("TLS failed: the certificate of %(place)s is for another host. Nothing was sent."),
    "tls_failed": _("TLS failed: no safe connection to %(place)s can be made. Nothing was sent."),
    "tls_broke": _("TLS failed while %(place)s was to answer: the event may have arrived."),
    "ca_bundle_decides": _("DFINERY['CA_BUNDLE'] says who may sign certificates."),
    "ca_variable_unused": _(
        "%(variable)s is set, but not asked: for an authority of your own set DFINERY['CA_BUNDLE']."
    ),
    "ca_bundle_unreadable": _("TLS can't be begun: DFINERY['CA_BUNDLE'] can't be read. Nothing was sent."),
    "no_address": _("%(url)s is no usable address: see DFINERY['BASE_URL']."),
    "proxy_login": _("A proxy asks for another user and password: HTTP %(status)s, see DFINERY['PROXY']."),
    "proxy_refuses": _("A proxy refuses to pass it on: HTTP %(status)s, see DFINERY['PROXY']."),
    "proxy_silent": _("The proxy %(proxy)s (DFINERY['PROXY']) gives no proper answer. %(why)s"),
    "proxy_variable_unused": _(
        "%(variable)s is set, but not asked: if a proxy is the way out set DFINERY['PROXY']."
    ),
}  # fmt: skip

_OF_EXPIRY = {
    "too_old": _("It happened at %(happened)s; DFINERY processes nothing older than %(hours)s h."),
    "expired_at_capture": _(
        "It came too late to be sent: it was captured at %(captured)s, more than %(hours)s hours after it happened."
    ),
    "expired_tried": _("It was not delivered in time. Attempts: %(count)s. The last result: %(last)s"),
    "expired_waiting": _("It was not sent in time. The last reason: %(last)s"),
    "expired_paused": _(
        "It was not sent in time: delivery to %(destination)s is paused by %(who)s since %(since)s."
    ),
    "expired_stopped": _("It was not sent in time: delivery to %(destination)s is stopped since %(since)s. %(why)s"),
    "expired_unconfigured": _(
        "It was not sent in time: its destination %(destination)s has no token in DFINERY['TOKENS']."
    ),
    "expired_without_worker": _("It was not sent in time: no worker had looked for events since %(since)s."),
    "expired_no_worker_ever": _("It was not sent in time: no worker had ever looked for events."),
    "expired_in_queue": _(
        "It was not sent in time: no worker ran, or too many other events were to be sent before it."
    ),
}  # fmt: skip

TEMPLATES: Mapping[str, str] = {**_OF_VALUES, **_OF_MAPPINGS, **_OF_DELIVERY, **_OF_NETWORK, **_OF_EXPIRY}
