"""The schema of the REST API, which drf-spectacular makes: valid, without a warning, and true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.doubles import is_ci

if not is_ci():
    pytest.importorskip("drf_spectacular")

from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.management.commands.spectacular import Command

from dfinery_django.api.events import MAX_EVENTS_PER_REQUEST
from dfinery_django.api.filters import QUERY_PARAMETERS
from dfinery_django.schema.properties import PREDEFINED
from tests.support.api_people import MAY


@pytest.fixture
def schema(settings: Any) -> dict[str, Any]:
    settings.REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


def test_the_schema_has_no_warning(settings: Any, tmp_path: Path) -> None:
    """``manage.py spectacular --validate --fail-on-warn``."""
    settings.REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
    call_command(Command(), validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))
    assert "dfinery_events_ingest" in (tmp_path / "schema.yml").read_text()


def test_it_tells_of_every_address(schema: dict[str, Any]) -> None:
    """And of each method, filter and property that there is."""
    told = {
        path.removeprefix("/dfinery/v1/").replace("{", "<str:").replace("}", ">"): set(map(str.upper, methods))
        for path, methods in schema["paths"].items()
    }
    assert told == {address: set(by_method) for address, by_method in MAY.items()}
    events = schema["paths"]["/dfinery/v1/events/"]
    assert {each["name"] for each in events["get"]["parameters"]} - {"format"} == set(QUERY_PARAMETERS)
    one, several = events["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert (several["items"], several["maxItems"]) == (one, MAX_EVENTS_PER_REQUEST)
    event, user = (one["properties"][part]["properties"] for part in ("event_attributes", "user_attributes"))
    assert event.keys() == {*PREDEFINED["event"], "items"}
    assert event["items"]["items"]["properties"].keys() == PREDEFINED["item"].keys()
    assert user.keys() == PREDEFINED["user"].keys()


def test_names_are_not_the_site_s(schema: dict[str, Any]) -> None:
    """A site may have an Event of its own, and a field called status with other values."""
    components = schema["components"]["schemas"]
    assert all(name.removeprefix("Paginated").startswith("Dfinery") for name in components)
    assert "enum" not in str(components)


WITHOUT = """
import os, sys
sys.modules["drf_spectacular"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "drf_spectacular" else find(name, *rest)
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from django.urls import resolve
print(resolve("/dfinery/v1/events/").func.cls.__name__, "dfinery_django.api.openapi" in sys.modules)
"""


def test_it_is_optional() -> None:
    """Without drf-spectacular the API is there, and nothing of the schema is imported."""
    found = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.split() == ["EventsView", "False"]
