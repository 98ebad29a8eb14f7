"""Write ``dfinery-django.cdx.json``, the bill of materials in the wheel (PEP 770): ``python -m tests.support.sbom``.

It is CycloneDX 1.6: this package, what it requires, and what the extras for sites require, with their licences. The
wheel contains no code of others, so components have no version: a site chooses one in the range given as a property.
The file has neither a time nor a random number, so that the same sources give the same bytes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import dfinery_django

try:
    import tomllib
except ImportError:  # Python 3.10
    tomllib = None  # type: ignore[assignment]

ROOT = Path(__file__).parents[2]
FILE = ROOT / "dfinery-django.cdx.json"
#: Extras that a site installs; all others are for work on this package.
EXTRAS = ("metrics", "mysql", "openapi", "phone", "testing")
#: As their metadata say (SPDX).
LICENCES = {
    "django": "BSD-3-Clause",
    "django-q2": "MIT",
    "djangorestframework": "BSD-3-Clause",
    "drf-spectacular": "BSD-3-Clause",
    "mysqlclient": "GPL-2.0-or-later",
    "phonenumbers": "Apache-2.0",
    "prometheus-client": "Apache-2.0 AND BSD-2-Clause",
    "requests": "Apache-2.0",
    "responses": "Apache-2.0",
    "tqdm": "MPL-2.0 AND MIT",
    "urllib3": "MIT",
}


def project() -> dict[str, Any]:
    """Return the table ``[project]`` of pyproject.toml."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])


def bill() -> dict[str, Any]:
    """Return the bill of materials."""
    facts = project()
    required = [_component(each, "required") for each in facts["dependencies"]]
    optional = [
        _component(each, "optional", extra) for extra in EXTRAS for each in facts["optional-dependencies"][extra]
    ]
    ours = f"pkg:pypi/{facts['name']}@{dfinery_django.__version__}"
    components = sorted([*required, *optional], key=lambda component: str(component["bom-ref"]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": ours,
                "name": facts["name"],
                "version": dfinery_django.__version__,
                "description": facts["description"],
                "licenses": [{"license": {"id": facts["license"]}}],
                "purl": ours,
            }
        },
        "components": components,
        "dependencies": [
            {"ref": ours, "dependsOn": [each["bom-ref"] for each in components]},
            *({"ref": each["bom-ref"]} for each in components),
        ],
    }


def _component(requirement: str, scope: str, extra: str = "") -> dict[str, Any]:
    name, versions = re.fullmatch(r"([\w-]+)(\S*)", requirement).groups()  # type: ignore[union-attr]
    properties = {"dfinery-django:versions": versions} | ({"dfinery-django:extra": extra} if extra else {})
    licence = LICENCES[name]
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}",
        "name": name,
        "scope": scope,
        "licenses": [{"expression": licence} if " " in licence else {"license": {"id": licence}}],
        "purl": f"pkg:pypi/{name}",
        "properties": [{"name": key, "value": value} for key, value in properties.items()],
    }


def text() -> str:
    """Return the file's content."""
    return json.dumps(bill(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
    print(f"{FILE.name}: {len(bill()['components'])} components.")
