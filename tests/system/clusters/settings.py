"""Settings of a shop with processes of its own: a database, a queue and clusters, all chosen by the environment.

What docs/run/scaling.md says of ``Q_CLUSTER`` is what these clusters run with.
"""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path
from typing import Any

from tests.settings import *  # noqa: F403 - derived settings
from tests.settings import DATABASE, DATABASES
from tests.support.doubles import PURCHASE

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_q", "dfinery_django", "tests.shop"]
ROOT_URLCONF = None

NAME = os.environ["CLUSTERS_NAME"]
DATABASES["default"]["NAME"] = NAME
del DATABASES["other"]  # not made here, and Django 6.1's checks ask every database
if DATABASE == "sqlite":
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL"


def written(page: str, word: str) -> dict[str, Any]:
    """The names that a page's code block sets, the one with this word in it."""
    names: dict[str, Any] = {"DFINERY": {}}
    text = (Path(__file__).parents[3] / "docs" / page).read_text()
    (block,) = [each for each in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if word in each]
    exec(block, names)
    return names


with_redis, with_own_cluster = written("run/scaling.md", '"redis"'), written("run/scaling.md", "ALT_CLUSTERS")
# One worker, so that it can be found and killed; a name of its own, so that no two runs share a queue in Redis.
Q_CLUSTER: dict[str, Any] = with_own_cluster["Q_CLUSTER"] | {"name": os.path.basename(NAME), "workers": 1, "poll": 0.1}
if os.environ["CLUSTERS_BROKER"] == "redis":
    del Q_CLUSTER["orm"]
    here = {"host": os.environ.get("REDIS_HOST", "127.0.0.1"), "port": int(os.environ.get("REDIS_PORT", "6379"))}
    # The delivery cluster's queue has the same name in every run: a Redis database of its own keeps runs apart.
    Q_CLUSTER["redis"] = with_redis["Q_CLUSTER"]["redis"] | here | {"db": zlib.crc32(NAME.encode()) % 16}

ORDER_ALONE = {
    **{key: value for key, value in PURCHASE.items() if not key.startswith("item")},
    "destination": lambda order: order.note or "default",
}
TOKEN = os.environ.get("CLUSTERS_TOKEN", "shop")
DFINERY = {
    "TOKENS": {"default": TOKEN, "outlet": TOKEN},
    "BASE_URL": os.environ["CLUSTERS_URL"],
    "CONCURRENCY": 4,
    "READ_TIMEOUT": 3,
    "LEASE_SECONDS": int(os.environ["CLUSTERS_LEASE"]),
    "EVENTS": {"purchase": ORDER_ALONE},
    **(with_own_cluster["DFINERY"] if os.environ.get("CLUSTERS_OWN") else {}),
}
