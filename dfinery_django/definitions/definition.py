"""``EventDefinition``: how a model becomes an event. A dict in the settings becomes the same class.

It says what to read and when, and writes no rows. Paths and hooks that follow a relation query the shop's tables.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from django.db import models
from django.utils.module_loading import import_string

from ..conf import default_destination, did_you_mean, get_settings
from ..exceptions import ConfigurationError, PayloadError
from ..mapping.annotations import loaded
from ..mapping.expressions import Expression, annotations_of, expression, read_all, read_value
from ..mapping.model_paths import installed_model
from ..mapping.rows import Each
from ..schema.properties import PATHS, PREDEFINED, Scope, declared_type
from ..schema.types import WireType
from ..text.escape import searchable
from ..text.reasons import ReasonText
from .needs import ITSELF, model_types, steps_to

WHEN_WORDS = ("created", "saved", "deleted")


class _Instance:
    """The default of ``once_per``: one event of this definition per source object."""

    def __repr__(self) -> str:
        return "INSTANCE"


INSTANCE = _Instance()


class EventDefinition:
    """Base class of definitions. Subclass it and ``@register("app.Model")``, or use its keys in ``DFINERY["EVENTS"]``.

    :cvar event_name: the name sent to DFINERY; default: the definition's name
    :cvar model: ``"app.Model"``
    :cvar when: ``"created"``, ``"saved"``, ``"deleted"``; a dict of lookups or a ``Q`` that must become true with a
        save; or a callable ``(instance, created) -> bool``
    :cvar event_datetime: path of the time when it happened; default: the time of the save
    :cvar reconcile_by: path of a ``DateTimeField`` that says which rows are recent; default: ``event_datetime``
    :cvar event_attributes: field name -> path, callable ``(instance) -> value`` or expression
    :cvar items: path of the lines, ``Rows`` of it, or a callable ``(instance) -> iterable``; ``"self"``: the instance
        is the only item
    :cvar item_attributes: like ``event_attributes``, from each item
    :cvar user: path of the user, or a callable; the paths of ``user_attributes`` start there
    :cvar user_attributes: default: the setting ``USER_ATTRIBUTES``; without ``user`` they start at the instance
    :cvar once_per: path or tuple of paths: an event is captured once per instance and their values; default: once per
        instance; ``None``: at every firing
    :cvar consent: callable ``(instance, user) -> bool``, or its dotted path; default: the setting ``CONSENT``
    :cvar guests: ``"fail"`` or ``"skip"`` an event that ends up without a user_id
    :cvar destination: alias of ``TOKENS``, or a callable ``(instance) -> alias``
    :cvar scope: callable that returns the context manager in which workers call the site's code; or its dotted path
    :cvar signal: ``("dotted.path.of.a_signal", "keyword of the instance")`` to listen to instead of saves
    :cvar settle_seconds: seconds that a captured event waits for what the shop writes after its commit, 600 at most;
        default: 0, and outside a transaction the setting ``SETTLE_SECONDS``
    :cvar build: ``"worker"`` or ``"commit"``; default: the setting ``BUILD``
    """

    name: str = ""
    event_name: str = ""
    model: Any = None
    when: Any = None
    signal: tuple[str, str] | None = None
    event_datetime: Any = None
    reconcile_by: Any = None
    event_attributes: Mapping[str, Any] = {}
    items: Any = None
    item_attributes: Mapping[str, Any] = {}
    user: Any = None
    user_attributes: Mapping[str, Any] | None = None
    once_per: Any = INSTANCE
    guests: str = "fail"
    consent: Any = None
    destination: Any = None
    scope: Any = None
    settle_seconds: float | None = None
    build: str | None = None

    def __init__(self, name: str = "") -> None:
        self.name = name or self.name or self.event_name or type(self).__name__
        self.event_name = self.event_name or self.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    # ── hooks ──────────────────────────────────────────────────────────────────────────────────────────────────
    def should_capture(self, instance: Any, *, created: bool) -> bool:
        """Return whether to capture. Runs in the shop's transaction, after ``when`` matched: be cheap, don't query."""
        return True

    def is_ready(self, instance: Any) -> bool:
        """Return whether a fresh instance is complete; ``False`` postpones the build, for ``READY_SECONDS`` at most."""
        return True

    def get_event_datetime(self, instance: Any) -> Any:
        """Return the datetime when it happened; ``None``, for the time of the save, where none is mapped."""
        if self.moment is None:
            return None
        moment = read_value("event_datetime", self.moment, instance)
        if moment is None:
            problem = ReasonText("empty_moment", source=repr(self.moment))
            raise PayloadError("event_datetime", problem, ReasonText("map_never_empty"))
        return moment

    def get_event_attributes(self, instance: Any) -> Mapping[str, Any]:
        """Return field name -> Python value. Runs at build, may query."""
        return read_all(self.event_expressions, instance, PATHS["event"])

    def get_items(self, instance: Any) -> Iterable[Mapping[str, Any]] | None:
        """Return a mapping of field name -> Python value per item; ``None`` for an event without items."""
        if self.items is None:
            return None
        sources = list(self.get_item_sources(instance))
        with loaded(sources, annotations_of(self.item_expressions.values())):
            return [read_all(self.item_expressions, each, f"items[{i}]") for i, each in enumerate(sources)]

    def get_user_attributes(self, instance: Any) -> Mapping[str, Any]:
        """Return field name -> Python value; ``user_id`` among them unless the event is a guest's."""
        start = self.get_user_source(instance)
        return {} if start is None else read_all(self.user_expressions, start, PATHS["user"])

    def get_user_source(self, instance: Any) -> Any:
        """Return the object that the user's attributes are read from; ``None`` where there is none."""
        return instance if self.user is None else read_value("user", self._expression_of("user"), instance)

    def get_item_sources(self, instance: Any) -> Iterable[Any]:
        """Return the objects that items are made of."""
        if self.items == ITSELF:
            return [instance]
        path = Each(self.items) if isinstance(self.items, str) else self._expression_of("items")
        sources = read_value("items", path, instance)
        if isinstance(sources, models.manager.BaseManager):
            sources = sources.all()
        return () if sources is None else sources

    def overrides(self, hook: str) -> bool:
        """Return whether a hook is the site's own, so that what is declared for it may not be used."""
        return getattr(getattr(self, hook), "__func__", None) is not _HOOKS[hook]

    # ── compiled ───────────────────────────────────────────────────────────────────────────────────────────────
    # ``moment``, ``identity`` and ``condition`` are compiled from ``event_datetime``, ``once_per`` and ``when``.
    @cached_property
    def model_class(self) -> type[models.Model]:
        """The model it watches; raises ``ConfigurationError`` if there is no such model."""
        try:
            return installed_model(self.model)
        except LookupError as error:
            raise ConfigurationError(f"Event {self.name!r} watches {error.args[0]}") from error

    @property
    def source_label(self) -> str:
        """The model's label: ``shop.Order``."""
        return str(self.model_class._meta.label)

    @cached_property
    def event_expressions(self) -> Mapping[str, Expression]:
        return self._compile("event_attributes", self.event_attributes)

    @cached_property
    def item_expressions(self) -> Mapping[str, Expression]:
        return self._compile("item_attributes", self.item_attributes)

    @cached_property
    def user_expressions(self) -> Mapping[str, Expression]:
        own = self.user_attributes
        return self._compile("user_attributes", get_settings().USER_ATTRIBUTES if own is None else own)

    @cached_property
    def moment(self) -> Expression | None:
        """The expression of ``event_datetime``, if the definition has one."""
        return None if self.event_datetime is None else self._expression_of("event_datetime")

    @cached_property
    def identity(self) -> tuple[Expression, ...] | None:
        """The expressions of ``once_per``, besides the instance; ``None`` where every firing is an event of its own."""
        if self.once_per is None:
            return None
        if self.once_per is INSTANCE:
            return ()
        paths = self.once_per if isinstance(self.once_per, (tuple, list)) else (self.once_per,)
        return tuple(self._expression("once_per", path) for path in paths)

    @cached_property
    def condition(self) -> str | Mapping[str, Any] | models.Q | Callable[[Any, bool], bool]:
        """``when``: a word, lookups, a ``Q`` or a callable. Default: "created", for a signal "saved"."""
        if self.when is None:
            return "saved" if self.signal else "created"
        when: str | Mapping[str, Any] | models.Q = self.when
        if isinstance(when, (Mapping, models.Q)) or when in WHEN_WORDS:
            return when
        function = self._callable("when", parameters=2)
        if function is None:
            raise ConfigurationError(
                f"Event {self.name!r}: when={self.when!r}. {did_you_mean(self.when, WHEN_WORDS)} "
                'A dict of lookups ({"status": "paid"}), a Q or a callable (instance, created) will do too.'
            )
        return function

    @cached_property
    def consent_callable(self) -> Callable[[Any, Any], Any] | None:
        """The callable ``(instance, user) -> bool`` of ``consent``; ``None``: no consent is needed."""
        own = self._callable("consent", parameters=2) or self.consent
        wanted = (get_settings().CONSENT or None) if own is None else own
        return import_string(wanted) if isinstance(wanted, str) else wanted

    def destination_for(self, instance: Any) -> str:
        """Return the alias of the destination, as a row can store it."""
        function = self._chooses_destination
        return searchable(str(function(instance)), 64) if function else self.fixed_destination

    @cached_property
    def _chooses_destination(self) -> Callable[[Any], Any] | None:
        return self._callable("destination", parameters=1)

    def scope_callable(self) -> Callable[[], Any] | None:
        """Return the callable of ``scope``, if it has one; raises ``ImportError`` for a path that leads nowhere."""
        own = self._callable("scope", parameters=0) or self.scope
        return import_string(own) if isinstance(own, str) else own

    @property
    def fixed_destination(self) -> str:
        """The alias, where it is not a callable."""
        return self.destination if isinstance(self.destination, str) else default_destination()

    def paths(self) -> list[str]:
        """Return every dotted path it reads, seen from the instance, for fetching rows in bulk."""
        return [path for paths in self.paths_by_use().values() for path in paths]

    def paths_by_use(self) -> dict[str, list[str]]:
        """Return the paths of the items and the user, of ``once_per`` and ``event_datetime``, of values, in an item."""
        return {
            **{start: [prefix[:-1] for prefix in [self.prefix_of(start)] if prefix] for start in ("items", "user")},
            "key": [path for each in (*(self.identity or ()), self.moment) if each for path in each.paths()],
            "value": self._prefixed("", self.event_expressions) + self._prefixed("user", self.user_expressions),
            "item": [] if self.items is None else self._prefixed("items", self.item_expressions),
        }

    def type_of(self, scope: Scope, name: str) -> WireType | None:
        """Return a custom field's type: declared in ``CUSTOM_FIELDS``, else that of the model field behind its path."""
        return declared_type(scope, name) or model_types(self).get((scope, name))

    def custom_names(self) -> Iterator[tuple[Scope, str]]:
        """Yield the custom fields that it maps; hooks may add others."""
        for scope, _, expressions in self.mappings():
            yield from ((scope, name) for name in expressions if name not in PREDEFINED[scope])

    def mappings(self) -> Iterable[tuple[Scope, str, Mapping[str, Expression]]]:
        """Yield scope, the attribute where its paths start, and its expressions."""
        yield "event", "", self.event_expressions
        yield "item", "items", self.item_expressions
        yield "user", "user", self.user_expressions

    def prefix_of(self, start: str) -> str | None:
        """Return the path that an attribute's own paths start with: "" at the instance, ``None`` if it is unknown."""
        steps = steps_to(self, start)
        return None if steps is None else "".join(f"{step}." for step in steps)

    def _prefixed(self, start: str, expressions: Mapping[str, Expression]) -> list[str]:
        prefix = self.prefix_of(start)
        return [] if prefix is None else [prefix + path for each in expressions.values() for path in each.paths()]

    def _compile(self, place: str, mapping: Mapping[str, Any]) -> Mapping[str, Expression]:
        if not isinstance(mapping, Mapping):
            raise ConfigurationError(f"Event {self.name!r}: {place} is a {type(mapping).__name__}, not a dict.")
        return {name: self._expression(f"{place}[{name!r}]", spec) for name, spec in mapping.items()}

    def _expression_of(self, attribute: str) -> Expression:
        return self._expression(attribute, self._callable(attribute, parameters=1) or getattr(self, attribute))

    def _expression(self, place: str, spec: Any) -> Expression:
        try:
            return expression(spec)
        except TypeError as error:
            raise ConfigurationError(f"Event {self.name!r}: {place}: {error}") from error

    def _callable(self, attribute: str, *, parameters: int) -> Callable[..., Any] | None:
        """Return a callable given as attribute. A function of a class body may take ``self`` or not."""
        raw = inspect.getattr_static(self, attribute)
        if isinstance(raw, staticmethod):
            return raw.__func__
        if inspect.isfunction(raw) and len(inspect.signature(raw).parameters) > parameters:
            return raw.__get__(self)
        return raw if callable(raw) and not isinstance(raw, Expression) else None


#: The hooks as they are written here: a site may have patched the class.
_HOOKS = {name: function for name, function in vars(EventDefinition).items() if inspect.isfunction(function)}

#: The keys of a definition's dict, and the attributes of its class.
ATTRIBUTES = tuple(name for name in EventDefinition.__annotations__ if name != "name")
