"""System checks: every mistake in ``DFINERY`` and in the definitions that can be seen at start.

=====  ==================================================================
id     what is wrong
=====  ==================================================================
E001   ``DFINERY`` is no dict
E002   an unknown key
E003   ``TOKENS`` missing or unusable
E004   a setting of the wrong type or value
E005   ``BASE_URL`` unusable or not encrypted
E006   ``CUSTOM_FIELDS`` wrong
E007   a definition that can't be used
E008   a path that does not exist on the model
E009   a ``when`` that the model can't be filtered by
E010   a property that a definition can't map
E011   ``destination`` is no alias of ``TOKENS``
E012   ``PROTOCOL`` or ``WAKE`` can't be imported
E013   a definition's choice (``guests``, ``build``) that does not exist
E014   ``signal`` can't be listened to
E015   ``CONSENT`` or a definition's ``consent`` can't be asked
W001   no ``user``: the key of the source object would be sent as ``user_id``
W002   django-q2 would stop a drain before it is done
W003   ``django_q`` is not installed
W004   ``Q_OPTIONS`` names a cluster that ``Q_CLUSTER`` does not know
W005   a request may outlast its lease: another worker would send the event as well
W006   a custom field has another type in one definition than in another
W007   a model in a database where the outbox may have no tables
I001   events that rest on signals alone: reconcile can't look for what they missed
=====  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Info, Warning, register
from django.core.exceptions import FieldError
from django.db import router
from django.utils.module_loading import import_string

from . import consent, registry, schema
from .conf import did_you_mean, get_settings, masked_setting, problems
from .definitions import EventDefinition
from .models import Event
from .paths import trace
from .receivers import connect_signals
from .reconcile import database_of_sources, obstacle

#: After its last answer a drain still writes what came, however the database fails.
DRAIN_TAIL_SECONDS = 6


def _error(number: str, message: str, hint: str) -> CheckMessage:
    kind = {"E": Error, "W": Warning, "I": Info}[number[0]]
    return kind(message, hint=hint, id=f"dfinery.{number}")


@register("dfinery")
def check_settings(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """What is wrong with the ``DFINERY`` setting itself, then with the definitions."""
    found = [_error(each.id, each.message, each.hint) for each in problems(masked_setting())]
    if found:
        return found  # the definitions can't be judged before the setting can be read
    found += _check_imports()
    if get_settings().CONSENT:
        found += _check_consent(get_settings().CONSENT, "DFINERY['CONSENT']")
    found += _check_queue()
    found += _check_lease()
    found += [_error("E007", fault, "See the chapter on definitions.") for fault in registry.faults().values()]
    for name, fault in connect_signals().items():
        hint = '"signal": ("dotted.path.of.the_signal", "keyword of the instance")'
        found.append(_error("E014", f"Event {name!r}: its signal can't be listened to: {fault}", hint))
    for definition in registry.definitions():
        found += _check_definition(definition)
    found += _check_custom_types()
    found += _check_reconcile()
    return found


def _check_imports() -> Iterator[CheckMessage]:
    settings = get_settings()
    for key in ("PROTOCOL", "WAKE"):
        path = getattr(settings, key)
        try:
            import_string(path)
        except ImportError as error:
            yield _error("E012", f"DFINERY[{key!r}] can't be imported: {error}", "Write the dotted path of a callable.")


def _check_consent(spec: Any, place: str) -> Iterator[CheckMessage]:
    if fault := consent.fault(spec):
        hint = "The dotted path of a function (instance, user) -> bool. Until then nothing is captured."
        yield _error("E015", f"{place} {fault}", hint)


def _check_lease() -> Iterator[CheckMessage]:
    settings = get_settings()
    needed = 2 * (settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT)
    if needed > settings.LEASE_SECONDS:
        yield _error(
            "W005",
            f"DFINERY['LEASE_SECONDS'] is {settings.LEASE_SECONDS:g}, less than twice CONNECT_TIMEOUT + READ_TIMEOUT.",
            f'"LEASE_SECONDS": {needed:g}, or smaller timeouts.',
        )


def _check_queue() -> Iterator[CheckMessage]:
    settings = get_settings()
    if not apps.is_installed("django_q"):
        if settings.WAKE == type(settings).WAKE:
            yield _error("W003", "django_q is not in INSTALLED_APPS.", 'INSTALLED_APPS += ["django_q", …]')
        return
    cluster = getattr(django_settings, "Q_CLUSTER", {})
    named, known = settings.Q_OPTIONS.get("cluster"), (*cluster.get("ALT_CLUSTERS", ()), cluster.get("name", "default"))
    if cluster.get("ALT_CLUSTERS") and named and named not in known:
        hint = did_you_mean(named, known)
        yield _error("W004", f"DFINERY['Q_OPTIONS'] names the cluster {named!r}, which nobody runs.", hint)
    place, timeout = _drain_timeout(cluster, settings.Q_OPTIONS)
    request = settings.CONNECT_TIMEOUT + settings.READ_TIMEOUT
    # Nothing is begun in the last seconds of a drain, as far as it has that many.
    needed = settings.DRAIN_SECONDS + max(0, request - settings.DRAIN_SECONDS / 2) + DRAIN_TAIL_SECONDS
    if timeout and timeout < needed:
        yield _error(
            "W002",
            f"{place} is {timeout} s, but a drain may take {needed:g} s.",
            f'"timeout": {needed + 1:g} and a larger "retry", or a smaller DFINERY["DRAIN_SECONDS"].',
        )


def _drain_timeout(cluster: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, Any]:
    """Where it is said when django-q2 stops a drain, and what: the task's own, its cluster's, that of all clusters."""
    if "timeout" in options:
        return "DFINERY['Q_OPTIONS']['timeout']", options["timeout"]
    name = options.get("cluster")
    own = (cluster.get("ALT_CLUSTERS") or {}).get(name)
    if isinstance(own, Mapping) and "timeout" in own:
        return f"Q_CLUSTER['ALT_CLUSTERS'][{name!r}]['timeout']", own["timeout"]
    return "Q_CLUSTER['timeout']", cluster.get("timeout")


def _check_definition(definition: EventDefinition) -> Iterable[CheckMessage]:
    yield from _check_paths(definition)
    yield from _check_names(definition)
    yield from _check_when(definition)
    yield from _check_choices(definition)
    if definition.consent is not None:
        yield from _check_consent(definition.consent, f"Event {definition.name!r}: consent")
    yield from _check_user(definition)
    yield from _check_database(definition)


def _check_paths(definition: EventDefinition) -> Iterator[CheckMessage]:
    for path, is_value, is_item in dict.fromkeys(
        [
            *((path, False, False) for path in definition.start_paths()),
            *((path, True, False) for path in definition.value_paths()),
            *((path, True, True) for path in definition.item_paths()),
        ]
    ):
        followed = trace(definition.model_class, path, through_many=is_item)
        if followed.missing:
            model, part = followed.missing
            hint = did_you_mean(part, tuple(sorted(_names(model))))
            if part in _names(model):
                hint = f"There may be several: write '.first.{part}', or map them as items."
            yield _error("E008", f"Event {definition.name!r}: {model._meta.label} has no {part!r} ({path!r}).", hint)
        elif followed.ends_in_relation and is_value:
            hint = f"Let the path go on to one of its fields: {path + '.pk'!r}."
            yield _error("E008", f"Event {definition.name!r}: {path!r} ends in an object, not a value.", hint)


def _names(model: Any) -> Iterator[str]:
    for field in model._meta.get_fields():
        yield (field.get_accessor_name() or field.name if field.auto_created and not field.concrete else field.name)


def _check_names(definition: EventDefinition) -> Iterator[CheckMessage]:
    parts: Sequence[tuple[schema.Scope, Mapping[str, Any]]] = (
        ("event", definition.event_expressions),
        ("item", definition.item_expressions),
        ("user", definition.user_expressions),
    )
    for scope, names in parts:
        for name in names:
            reserved = schema.RESERVED[scope].get(name)
            if reserved:
                yield _error("E010", f"Event {definition.name!r} maps {name!r}.", f"Leave it out: {reserved}.")


def _check_when(definition: EventDefinition) -> Iterator[CheckMessage]:
    if not isinstance(definition.condition, Mapping):
        return
    try:
        definition.model_class._base_manager.filter(**definition.condition)
    except (FieldError, ValueError, TypeError) as error:
        yield _error(
            "E009",
            f"Event {definition.name!r}: when: {error}",
            'Write lookups as in filter(): {"status": "paid"}',
        )


def _check_choices(definition: EventDefinition) -> Iterator[CheckMessage]:
    aliases = tuple(get_settings().TOKENS)
    if not callable(definition.destination) and definition.fixed_destination not in aliases and get_settings().ENABLED:
        message = f"Event {definition.name!r} goes to {definition.fixed_destination!r}, which has no token."
        yield _error("E011", message, did_you_mean(definition.fixed_destination, aliases))
    for attribute, choices in (("guests", ("fail", "skip")), ("build", (None, "worker", "commit"))):
        chosen = getattr(definition, attribute)
        if chosen not in choices:
            message = f"Event {definition.name!r}: {attribute}={chosen!r}."
            yield _error("E013", message, did_you_mean(chosen, tuple(filter(None, choices))))


def _check_user(definition: EventDefinition) -> Iterator[CheckMessage]:
    is_default = definition.user is None and definition.user_attributes is None
    if is_default and not issubclass(definition.model_class, get_user_model()) and _is_inherited(definition):
        yield _error(
            "W001",
            f"Event {definition.name!r} names no user: USER_ATTRIBUTES would be read from {definition.source_label}.",
            'Write "user": "customer" (the path of its user), or user_attributes with paths from it.',
        )


def _check_database(definition: EventDefinition) -> Iterator[CheckMessage]:
    alias = database_of_sources(definition)
    if not router.allow_migrate_model(alias, Event):
        yield _error(
            "W007",
            f"Event {definition.name!r}: {definition.source_label} is written to the database {alias!r}, where "
            "DATABASE_ROUTERS let dfinery_django have no tables: none of its events could be stored.",
            "An event is stored in its source's own transaction, which can't hold two databases: let allow_migrate() "
            f"return True for 'dfinery_django' on {alias!r}, then run manage.py migrate --database={alias}.",
        )


def _check_reconcile() -> Iterator[CheckMessage]:
    """One message for all: much can't be reconciled by its nature, and a healthy project should stay readable."""
    if not get_settings().RECONCILE_MINUTES:
        return  # the site does without
    found = [(each.name, obstacle(each)) for each in registry.definitions()]
    left_out = "; ".join(f"{name!r}: {reason}" for name, reason in found if reason)
    if left_out:
        yield _error(
            "I001",
            f"What signals miss (update(), bulk_create(), raw SQL) is not looked for by reconcile: {left_out}.",
            'Give it an "event_datetime" that ends in a DateTimeField, or call capture() where such rows are written. '
            'If all is well so: SILENCED_SYSTEM_CHECKS = ["dfinery.I001"].',
        )


def _check_custom_types() -> Iterator[CheckMessage]:
    types: dict[tuple[schema.Scope, str], dict[str, str]] = {}
    for definition in registry.definitions():
        for scope, name in definition.custom_names():
            if found := definition.type_of(scope, name):
                types.setdefault((scope, name), {}).setdefault(found.value, definition.name)
    for (scope, name), users in types.items():
        if len(users) > 1:
            words = ", ".join(f"{type_name} in {user!r}" for type_name, user in users.items())
            yield _error(
                "W006",
                f"The custom field {name!r} ({scope}) has several types, so DFINERY files it as several: {words}.",
                f'Decide: "CUSTOM_FIELDS": {{"{scope}": {{"{name}": "{next(iter(users))}"}}}}.',
            )


def _is_inherited(definition: EventDefinition) -> bool:
    return type(definition).get_user_attributes is EventDefinition.get_user_attributes
