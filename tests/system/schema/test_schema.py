"""Whatever a schema-driven sender makes up: no 500, and every answer as the schema says."""

from __future__ import annotations

import copy
import itertools
import re
import time
from collections import defaultdict
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.contrib.auth import get_user_model
from django.core.wsgi import get_wsgi_application
from rest_framework.authtoken.models import Token
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi import checks

from dfinery_django.schema.types import LONG_MAX, LONG_MIN
from tests.support.staff import make

CONFIG = schemathesis.Config.from_dict({"seed": 20260101, "generation": {"max-examples": 60, "deterministic": True}})
schema = schemathesis.openapi.from_wsgi("/schema/?format=json", get_wsgi_application(), config=CONFIG)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
STATUSES = itertools.cycle(["failed", "pending", "delivered", "cancelled"])
TURNS = itertools.cycle([True, False])


#: (method, path) -> statuses that were answered.
seen: dict[tuple[str, str], set[int]] = defaultdict(set)


@pytest.fixture
def token() -> str:
    """Of somebody who may do everything."""
    user = get_user_model().objects.create_superuser("root", password="x")
    return str(Token.objects.create(user=user).key)


def of_now(body: Any) -> Any:
    """No schema can say that 48 hours ago is too late: times that are valid are made to be of the last hours."""
    body = copy.deepcopy(body)
    for each in body if isinstance(body, list) else [body]:
        event = each.get("event_attributes") if isinstance(each, dict) else None
        moment = event.get("event_datetime") if isinstance(event, dict) else None
        if type(moment) is int and LONG_MIN <= moment <= LONG_MAX:
            event["event_datetime"] = int(time.time() * 1000) - abs(moment) % 10_000_000
    return body


def of_one_that_is_there(parameters: Any) -> Any:
    """Every second id that is one becomes that of an event."""
    event_id = (parameters or {}).get("event_id")
    if isinstance(event_id, str) and UUID.fullmatch(event_id) and next(TURNS):
        event = make(next(STATUSES), user_id="u1", payload='{"event_attributes":{"x":1.0},"user_attributes":{}}')
        return {**parameters, "event_id": str(event.event_id)}
    return parameters


def of_this_site(query: Any) -> Any:
    """A destination is one that there is, a cursor one that belongs to these filters."""
    query = dict(query or {})
    place = "n5t1795688114000000" if query.keys() & {"since", "until"} else "n5"
    for name, value in (("destination", "default"), ("cursor", place)):
        if isinstance(query.get(name), str) and re.fullmatch("[^\x00]+", query[name]):
            query[name] = value
    return query


@schema.parametrize()
@hypothesis.settings(suppress_health_check=list(hypothesis.HealthCheck), deadline=None)
@pytest.mark.django_db(transaction=True)
def test_every_answer_is_as_the_schema_says(case: Any, token: str) -> None:
    """Good and bad requests to every address: all checks of schemathesis."""
    case.body, case.query = of_now(case.body), of_this_site(case.query)
    case.path_parameters = of_one_that_is_there(case.path_parameters)
    # A schema of OpenAPI 3.0 has no words for a name that is blank, or for an integer beyond 64 bits.
    unsaid = [checks.positive_data_acceptance] if case.body not in (None, NOT_SET) else []
    for _ in range(2):  # the second time it is known, or done
        answer = case.call_and_validate(headers={"Authorization": f"Token {token}"}, excluded_checks=unsaid)
        seen[case.method, case.path.removeprefix("/dfinery/v1/")].add(answer.status_code)


def test_the_answers_were_of_every_kind() -> None:
    """The requests above were neither all refused nor all taken."""
    assert seen["POST", "events/"] >= {200, 202, 400, 409}
    assert seen["GET", "events/"] >= {200, 400}
    assert seen["GET", "events/{event_id}/"] >= {200, 404}
    assert seen["POST", "events/{event_id}/resend/"] >= {200, 404, 409}
    assert seen["POST", "events/{event_id}/cancel/"] >= {200, 404, 409}
    assert seen["GET", "health/"]
