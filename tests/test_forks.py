"""Processes that are forked after the parent has used its database."""

from __future__ import annotations

import pytest

from tests.processes import Workers, ended
from tests.settings import DATABASE

FORK = """
import django, os
django.setup()
from django.db import connection
from dfinery_django.models import Event

assert not Event.objects.exists()  # the pool is open
for _ in range(2):
    child = os.fork()
    if not child:
        assert not Event.objects.exists()
        connection.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
assert not Event.objects.exists()
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(DATABASE != "postgresql", reason="psycopg's pool")
def test_a_forked_process_has_a_pool_of_its_own() -> None:
    """As django-q2's workers are, which otherwise wait for a connection that never comes; the parent's goes on."""
    with Workers(OPTIONS={"pool": {"min_size": 1, "timeout": 5}}) as workers:
        ended(workers.start(("-c", FORK)), seconds=120)
