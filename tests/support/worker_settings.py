"""Settings of a process that a test has started (``tests.support.processes``): the test's own database and DFINERY."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403 - derived settings
from tests.settings import DATABASES

DATABASES["default"].update(json.loads(os.environ["WORKER_DATABASE"]))
del DATABASES["other"]  # not made here, and Django 6.1's checks ask every database
DFINERY = json.loads(os.environ["WORKER_DFINERY"])
