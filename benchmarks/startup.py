"""``python -m benchmarks.startup``: what the app adds to the start of a web process with the admin.

Fresh processes with and without the app take turns at ``django.setup()`` and the admin's URLs, with what the app needs
installed in both of them. Each reads compiled modules, as it would of an installed package.
"""

from __future__ import annotations

import sys
import time

# Nothing else here: what the measured process has imported already would cost the app nothing.

APPS = [
    *(f"django.contrib.{each}" for each in ("admin", "auth", "contenttypes", "sessions", "messages")),
    *("django_q", "rest_framework"),
]
DEFINITION = {"model": "auth.User", "when": "created", "user_attributes": {"user_id": "pk"}}


def start(contestant: str) -> None:
    """Start like a web process, and print what it took."""
    began, began_cpu = time.perf_counter(), time.process_time()
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="only for benchmarks",
        INSTALLED_APPS=[*APPS, "dfinery_django"] if contestant == "with" else APPS,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        Q_CLUSTER={"orm": "default", "timeout": 60, "retry": 120},
        DFINERY={"TOKENS": {"default": "benchmark-token"}, "EVENTS": {"sign_up": DEFINITION}},
    )
    django.setup()
    from django.contrib import admin

    assert admin.site.urls
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    with open("/proc/self/statm") as memory:  # Linux
        megabytes = int(memory.read().split()[1]) * 4096 / 1e6
    print([seconds * 1000, cpu_seconds * 1000, megabytes, len(sys.modules)])


def main() -> None:
    import argparse
    from statistics import median

    from benchmarks.surroundings import child, machine

    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--starts", type=int, default=40, help="of each contestant")
    chosen = parser.parse_args()
    environment = {"PYTHONDONTWRITEBYTECODE": ""}
    starts: dict[str, list[list[float]]] = {"without": [], "with": []}
    for number in range(chosen.starts + 1):
        for contestant, found in starts.items():
            figures = child("benchmarks.startup", contestant, environment=environment)
            if number:  # the first start compiles
                found.append(figures)
    print(f"{chosen.starts} starts each; {machine()}\n")
    print("| | ms | CPU ms | resident MB | modules |\n|---|---|---|---|---|")
    without, ours = ([median(column) for column in zip(*found, strict=True)] for found in starts.values())
    for name, row in (("without", without), ("with", ours)):
        print(f"| {name} | {row[0]:.0f} | {row[1]:.0f} | {row[2]:.1f} | {row[3]:.0f} |")
    more = f"+{ours[2] - without[2]:.1f} | +{ours[3] - without[3]:.0f}"
    print(f"| with ÷ without | {ours[0] / without[0]:.2f} | {ours[1] / without[1]:.2f} | {more} |")


if __name__ == "__main__":
    if sys.argv[1:] in (["with"], ["without"]):
        start(sys.argv[1])
    else:
        main()
