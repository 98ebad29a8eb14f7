"""What a web process imports: it captures events and shows the admin; workers send, and few pages are ever opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: A shop's process in its first minute, on a database of its own: it starts, routes to the admin, sells something.
WEB_PROCESS = """
import sys
import django
from django.apps import apps
from django.conf import settings

settings.configure(
    SECRET_KEY="x", USE_TZ=True, AUTH_USER_MODEL="shop.User", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        *(f"django.contrib.{each}" for each in ("admin", "auth", "contenttypes", "sessions", "messages")),
        "django_q", "dfinery_django", "tests.shop",
    ],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    Q_CLUSTER={"orm": "default", "timeout": 60, "retry": 120},
    DFINERY={"TOKENS": {"default": "t"}, "EVENTS": {"purchase": {
        "model": "shop.Order", "when": {"status": "paid"}, "user": "customer"
    }}},
)
django.setup()
from django.contrib import admin
from django.db import connection, transaction

assert admin.site.urls
with connection.schema_editor() as editor:
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            editor.create_model(model)

from django_q.models import OrmQ
from dfinery_django.models import Event
from tests.shop.models import Order, User

with transaction.atomic():
    order = Order.objects.create(number="A-1", customer=User.objects.create(username="kim"))
    order.status = "paid"
    order.save()
assert Event.objects.get().status == "captured"
assert OrmQ.objects.get().task["func"] == "dfinery_django.tasks.drain"
print(*sorted(sys.modules))
"""
NEEDLESS = {"requests", "urllib3", "tqdm", "rest_framework"}
#: ``metrics`` stands for prometheus_client, which django-q2 imports where it is installed.
NEEDLESS |= {
    f"dfinery_django.{each}"
    for each in ("api", "delivery", "diagnostics", "management", "metrics", "monitoring", "sandbox", "testing")
}


def test_a_web_process_imports_what_it_uses() -> None:
    """From the start to a captured order whose drain is asked for: no HTTP client, and nothing of what workers do."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WEB_PROCESS],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    imported = done.stdout.split()
    assert "dfinery_django.outbox.capture" in imported
    assert [each for each in imported for name in NEEDLESS if each == name or each.startswith(f"{name}.")] == []
