"""Processes that are forked after the parent has used its database."""

from __future__ import annotations

import pytest

from tests.settings import DATABASE
from tests.support.processes import Workers, ended

FORK = """
import django, os
django.setup()
from django.db import connection

def backend():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

ours = backend()  # the pool is open
for is_idle in (False, True):
    if is_idle:
        connection.close()
    child = os.fork()
    if not child:
        os._exit(backend() == ours)
    assert os.waitpid(child, 0)[1] == 0
assert backend() == ours
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(DATABASE != "postgresql", reason="psycopg's pool")
def test_a_forked_process_has_a_pool_of_its_own() -> None:
    """As django-q2's workers are, which otherwise wait for a connection that never comes; the parent's goes on."""
    with Workers(OPTIONS={"pool": {"min_size": 1, "timeout": 5}}) as workers:
        ended(workers.start(("-c", FORK)), seconds=120)
