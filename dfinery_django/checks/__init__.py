"""System checks: every mistake in ``DFINERY`` and in the definitions that can be seen at start.

=====  ==================================================================
id     what is wrong
=====  ==================================================================
E001   ``DFINERY`` is no dict
E002   an unknown key
E003   ``TOKENS`` missing or unusable
E004   a setting of the wrong type or value, or a ``CA_BUNDLE`` that can't be read
E005   ``BASE_URL`` or ``PROXY`` unusable or not encrypted
E006   ``CUSTOM_FIELDS`` wrong
E007   a definition that can't be used
E008   a path that does not exist on the model, ends in an object, or leads to no user
E009   a ``when`` that the model can't be filtered by
E010   a property that a definition can't map
E011   ``destination`` is no alias of ``TOKENS``
E012   ``PROTOCOL`` or ``WAKE`` can't be imported, or ``WAKE`` not be called
E013   a definition's choice (``guests``, ``build``) that does not exist
E014   ``signal`` can't be connected
E015   ``CONSENT`` or a definition's ``consent`` can't be asked
E017   tenants with a schema each, whose events would be mixed, or never delivered
E018   routers that put our tables elsewhere than the rows that events are made of
E019   an expression, or the conditions or order of ``Rows``, that Django refuses for the model
E020   ``reconcile_by`` is no column of moments
E021   ``scope`` can't be used
E022   a ``Phone`` without the package that reads phone numbers
W001   no ``user``: the key of the source object would be sent as ``user_id``
W002   a drain would be stopped, or end, before it is done
W003   ``django_q`` is not installed
W004   ``Q_OPTIONS`` has what the queue does not know
W005   a request may outlast its lease: another worker would send the event as well
W006   a custom field has another type in one definition than in another
W008   a SQLite database whose transactions begin as readers: a write fails instead of waiting
W009   a database that can't hold every text (asked by ``migrate``, and ``check --database``)
W010   a path that ends in a field whose values can't be sent
W013   deletions that the database makes by itself, without a signal
W014   django-q2 would give a running drain to a second worker
W015   django-q2 runs drains in the shop's own requests
W016   ``build`` is "commit" where ``settle_seconds`` makes events wait for the drain
W017   tables are missing (asked by ``check --database``)
W018   the queue's broker is not named
W019   the broker's client is not installed
W020   ``when`` waits for a value that is none of its field's choices
W021   ``event_datetime`` is a field that every save changes
W022   a custom field whose name is nearly a predefined one
W023   tasks run inside the shop's own requests, or never
W024   a ``when`` about related rows alone, whose saves are not watched
I001   events that depend on signals alone: reconcile can't find what they miss
I002   moments without a zone, and the zone that they are read in
=====  ==================================================================

Every process registers them, few run them: what only a check needs is imported there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.utils.module_loading import import_string

from ..conf import get_settings, masked_setting, problems
from ..definitions import registry
from ..outbox.receivers import connect_signals


def message_of(number: str, message: str, hint: str) -> CheckMessage:
    """Return the message of check ``number``, whose letter gives its level."""
    kind = {"E": Error, "W": Warning, "I": Info}[number[0]]
    return kind(message, hint=hint, id=f"dfinery.{number}")


@register("dfinery")
def check_settings(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check the ``DFINERY`` setting itself, then the definitions."""
    from .custom_fields import check_custom_names, check_custom_types
    from .databases import check_routers, check_sqlite
    from .definitions import check_consent, check_definition
    from .queue import check_queue, check_wake
    from .site import check_ca_bundle, check_lease, check_tenants, check_time_zone, check_watch

    found = [message_of(each.id, each.message, each.hint) for each in problems(masked_setting())]
    if any(each.id != "dfinery.E003" for each in found):
        return found  # the definitions can't be checked before the setting can be read
    found += [*_check_imports(), *check_wake()]
    if get_settings().CONSENT:
        found += check_consent(get_settings().CONSENT, "DFINERY['CONSENT']")
    of_databases, of_site = (check_routers, check_sqlite), (check_tenants, check_time_zone, check_ca_bundle)
    for check in (check_queue, check_lease, check_watch, *of_databases, *of_site):
        found += check()
    faults = registry.definition_faults().values()
    found += [message_of("E007", fault, "It captures nothing until this is corrected.") for fault in faults]
    for name, fault in connect_signals().items():
        hint = '"signal": ("dotted.path.of.the_signal", "keyword of the instance")'
        found.append(message_of("E014", f"Event {name!r}: its signal can't be connected: {fault}", hint))
    for definition in registry.definitions():
        found += check_definition(definition)
    return [*found, *check_custom_types(), *check_custom_names(), *_check_reconcile()]


@register(Tags.database)
def check_databases(
    app_configs: Sequence[AppConfig] | None = None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check what only a query can show. Django calls it for ``migrate`` and ``check --database``."""
    from .databases import check_tables, check_texts

    aliases = databases or ()
    return [*check_tables(aliases), *(message for alias in aliases for message in check_texts(alias))]


def _check_imports() -> Iterator[CheckMessage]:
    for key in ("PROTOCOL", "WAKE"):
        path = getattr(get_settings(), key)
        try:
            import_string(path)
        except Exception as error:  # noqa: BLE001 - whatever the site's module, or its queue, raises
            message = f"DFINERY[{key!r}] can't be imported: {error}"
            yield message_of("E012", message, _IMPORT_HINTS.get(path, "Write the dotted path of a callable."))


_IMPORT_HINTS = {
    "dfinery_django.queues.celery.wake": "pip install celery",
    "dfinery_django.queues.django_tasks.wake": (
        'For Django 5.2: pip install "django-tasks-db[compat]". If TASKS has no backend or queue "default": '
        '"Q_OPTIONS": {"backend": …, "queue_name": …}.'
    ),
}


def _check_reconcile() -> Iterator[CheckMessage]:
    """Find definitions that can't be reconciled: one message for all, since many can't be by their nature."""
    from ..outbox.reconcile import obstacle
    from .paths import has_unknown_moment, reconcile_by_fault

    if not get_settings().RECONCILE_MINUTES:
        return
    checked = [each for each in registry.definitions() if not (has_unknown_moment(each) or reconcile_by_fault(each))]
    found = [(each.name, obstacle(each)) for each in checked]
    left_out = "; ".join(f"{name!r}: {reason}" for name, reason in found if reason)
    if left_out:
        yield message_of(
            "I001", f"Reconcile can't find rows that send no signal (update(), bulk_create(), raw SQL): {left_out}.",
            'Give it a "reconcile_by", the path of a DateTimeField, or call capture() where such rows are written. '
            'If none are: SILENCED_SYSTEM_CHECKS = ["dfinery.I001"].',
        )  # fmt: skip
