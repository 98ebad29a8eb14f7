"""What is public, as names: ``python -m tests.support.public_surface`` writes ``public_surface_1_0.json`` beside it.

docs/reference/stability.md says it in words. The command prints what the last file had and the code has no more: from
1.0.0 on that is a mistake, unless the next version is 2.0.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("public_surface_1_0.json")
#: Named in settings, URLs and database rows rather than imported.
DOTTED_PATHS = (
    *(
        f"dfinery_django.{queue}.{name}"
        for queue in ("tasks", "queues.celery", "queues.django_tasks")
        for name in ("drain", "reconcile", "prune", "wake")
    ),
    "dfinery_django.protocols.s2s.S2SEventAPI",
    "dfinery_django.api.urls",
    "dfinery_django.outbox.ingest.ingest",
    "dfinery_django.testing.fixtures",
)
LOGGERS = ("dfinery_django", "dfinery_django.events")


def surface() -> dict[str, Any]:
    """Return all public names. Needs Django, and a database with our tables."""
    return {
        "names": dict(sorted(dict(_names()).items())),
        "dotted paths": sorted(path for path in DOTTED_PATHS if _found(path) is not None),
        **_settings(),
        **_words(),
        "signals": _signals(),
        "checks": _check_ids(),
        "commands": _commands(),
        "json": _json_outputs(),
        "rest api": _rest_api(),
        "metrics": _metrics(),
        "log fields": _log_fields(),
        "loggers": list(LOGGERS),
        "schedules": _schedules(),
        "tables": _tables(),
        "permissions": _permissions(),
    }


def vanished(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yield what the old surface has and the new one has not, or has otherwise. More is no matter."""
    if isinstance(old, dict):
        for key, value in old.items():
            where = f"{path} > {key}" if path else key
            if isinstance(new, dict) and key in new:
                yield from vanished(value, new[key], where)
            else:
                yield where
    elif isinstance(old, list):
        yield from (f"{path} > {each}" for each in old if not isinstance(new, list) or each not in new)
    elif old != new:
        yield f"{path}: was {old!r}, is {new!r}"


def _found(path: str) -> Any:
    """Return the object at a dotted path, a module or an attribute of one; ``None`` if there is none."""
    module, _, name = path.rpartition(".")
    try:
        return import_module(path)
    except ImportError:
        return getattr(import_module(module), name, None)


def _names() -> Iterator[tuple[str, list[str]]]:
    """Yield each name that may be imported, with the parameters of its call if the reference shows them."""
    import dfinery_django
    from dfinery_django import testing
    from tests.support.typed_docs import DOCS

    found = {path: _found(path) for path in imports_in_docs()}
    yield from ((path, _parameters(thing)) for path, thing in found.items() if thing is not None)
    for module in (dfinery_django, testing):
        yield from ((f"{module.__name__}.{name}", _parameters(getattr(module, name))) for name in module.__all__)
    rendered = re.findall(r"^::: (\S+)$", (DOCS / "reference/python-api.md").read_text(), re.MULTILINE)
    yield from ((path, _parameters(_found(path))) for path in rendered)


def imports_in_docs() -> Iterator[str]:
    from tests.support.pages import USERS_PAGES
    from tests.support.typed_docs import blocks_of

    for page in USERS_PAGES:
        for block in blocks_of(page, "python"):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dfinery_django"):
                    yield from (f"{node.module}.{each.name}" for each in node.names)


def _parameters(thing: Any) -> list[str]:
    if not callable(thing) or (isinstance(thing, type) and issubclass(thing, Exception)):
        return []
    if isinstance(thing, type) and not dataclasses.is_dataclass(thing) and thing.__init__ is object.__init__:  # type: ignore[misc]
        return []
    return [name for name in inspect.signature(thing).parameters if name not in ("args", "kwargs")]


def _settings() -> dict[str, Any]:
    from dfinery_django.conf import FIELD_TYPES, KEYS, SCOPES, Settings
    from dfinery_django.definitions import definition

    defaults = Settings()
    hooks = [name for name in vars(definition.EventDefinition) if name.startswith(("get_", "is_", "should_"))]
    return {
        "settings": {key: getattr(defaults, key) for key in KEYS if key != "PROXY"} | {"PROXY": ""},
        "custom fields": {"scopes": list(SCOPES), "types": list(FIELD_TYPES)},
        "definitions": {
            "keys": list(definition.ATTRIBUTES),
            "hooks": {name: _parameters(getattr(definition.EventDefinition, name)) for name in hooks},
            "when": list(definition.WHEN_WORDS),
        },
    }


def _words() -> dict[str, list[str]]:
    from dfinery_django import enums

    kinds = ("EventStatus", "Outcome", "Reason", "DestinationState", "Action", "ActionVerdict")
    return {name: [str(value) for value in getattr(enums, name).values] for name in kinds}


def _signals() -> dict[str, list[str]]:
    """Return each signal's arguments, as its page lists them."""
    from tests.support.typed_docs import DOCS

    chapters = re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", (DOCS / "reference/signals.md").read_text(), re.M | re.S)
    said = {name: re.search(r"Arguments: (.*?)(?:\n\n|\Z)", text, re.S) for name, text in chapters}
    return {name: re.findall(r"`(\w+)`", found[1]) if found else [] for name, found in said.items()}


def _check_ids() -> list[str]:
    from dfinery_django import checks

    return [f"dfinery.{each}" for each in re.findall(r"^([EWI]\d{3})", str(checks.__doc__), re.MULTILINE)]


def _commands() -> dict[str, list[str]]:
    from dfinery_django.management.commands.dfinery import Command

    actions = Command().create_parser("manage.py", "dfinery")._actions
    (subcommands,) = (each for each in actions if each.dest == "subcommand")
    return {
        name: [
            word
            for each in parser._actions
            if each.help != "==SUPPRESS==" and each.dest != "help"
            for word in (each.option_strings or [each.dest])
        ]
        for name, parser in (subcommands.choices or {}).items()  # type: ignore[union-attr]
    }


def _json_outputs() -> dict[str, Any]:
    from dfinery_django.diagnostics.explain import Explanation
    from dfinery_django.management.exit_codes import EXIT_CODES
    from dfinery_django.management.subcommands.status import _status_as_json
    from dfinery_django.monitoring import assess, look
    from dfinery_django.monitoring.findings import Finding
    from dfinery_django.operations.forget import Forgotten

    overview = look()
    status = _status_as_json(overview, assess(overview))
    return {
        "exit codes": re.findall(r"^  (\d) ", EXIT_CODES, re.MULTILINE),
        "status": {key: _keys(value) for key, value in status.items() if key != "findings"},
        "status > findings": [each.name for each in dataclasses.fields(Finding)],
        "preview": [each.name for each in dataclasses.fields(Explanation)],
        "forget": [each.name for each in dataclasses.fields(Forgotten)],
        "finding codes": _finding_codes(),
        **_json_of_init(),
    }


def _json_of_init() -> dict[str, list[str]]:
    from dfinery_django.proposal.guesses import Guess, Proposal, ProposedEvent
    from dfinery_django.proposal.render import json_form

    guess = Guess("pk", alternatives=(Guess("id"),))
    event = ProposedEvent("purchase", "shop.Order", {"user": guess})
    form = json_form(Proposal("shop.Order", "", [event], others=[("shop.Cart", "")]), "", {})
    of_event = form["events"]["purchase"]
    of_guess = of_event["keys"]["user"]
    return {
        "init": sorted(form),
        "init > order": sorted(form["order"]),
        "init > other_models": sorted(form["other_models"][0]),
        "init > events": sorted(of_event),
        "init > guesses": sorted(of_guess),
        "init > alternatives": sorted(of_guess["alternatives"][0]),
    }


def _keys(value: Any) -> Any:
    """Return the keys of a dict, or of the first dict in a list; else ``True``, since values differ from run to run."""
    first = value[0] if isinstance(value, (list, tuple)) and value else value
    return sorted(first) if isinstance(first, dict) else True


def _finding_codes() -> list[str]:
    from dfinery_django.monitoring import findings

    tree = ast.parse(inspect.getsource(findings))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    first = [node.args[0] for node in calls if getattr(node.func, "id", "") == "Finding" and node.args]
    named = [each.value for node in calls for each in node.keywords if each.arg == "code"]
    return sorted({str(each.value) for each in [*first, *named] if isinstance(each, ast.Constant)})


def _rest_api() -> dict[str, Any]:
    from dfinery_django.api import filters, serializers
    from dfinery_django.api.urls import _v1

    shapes = [each for name, each in vars(serializers).items() if name.endswith("Serializer")]
    return {
        "operations": {f"v1/{each.pattern}": sorted(each.callback.view_class.permissions) for each in _v1},
        "parameters": list(filters.QUERY_PARAMETERS),
        "fields": {each.__name__.removesuffix("Serializer"): list(each().fields) for each in shapes},
    }


def _metrics() -> dict[str, list[str]]:
    from dfinery_django.metrics import COUNTERS, DURATION, GAUGES

    return {name: list(labels) for name, _, labels in (*COUNTERS.values(), DURATION, *GAUGES.values())}


def _log_fields() -> list[str]:
    from tests.support.log_fields import LOG_FIELDS

    return sorted(LOG_FIELDS)


def _schedules() -> dict[str, str]:
    from dfinery_django import django_q2

    return {name: task for name, (task, _) in django_q2.schedules().items()}


def _tables() -> dict[str, list[str]]:
    from django.apps import apps

    models = apps.get_app_config("dfinery_django").get_models()
    return {model._meta.db_table: [field.column for field in model._meta.local_fields] for model in models
            if not model._meta.proxy}  # fmt: skip


def _permissions() -> list[str]:
    from django.apps import apps
    from django.contrib.auth import get_permission_codename

    found = []
    for model in apps.get_app_config("dfinery_django").get_models():
        default = [get_permission_codename(each, model._meta) for each in model._meta.default_permissions]
        found += [*default, *(codename for codename, _ in model._meta.permissions)]
    return sorted({f"dfinery_django.{each}" for each in found})


def main() -> None:
    import django
    from django.core.management import call_command

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    found = surface()
    if FILE.exists():
        for each in vanished(json.loads(FILE.read_text()), json.loads(json.dumps(found))):
            print(f"No longer there: {each}")
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(f"{FILE.name}: {len(FILE.read_text().splitlines())} lines.")


if __name__ == "__main__":
    main()
