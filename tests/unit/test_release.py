"""A release: its version, the versions that it is said to run on, its bill of materials."""

from __future__ import annotations

import configparser
import json
import re
from importlib import metadata
from typing import Any

import pytest

import dfinery_django
from tests.support import sbom

pytest.importorskip("tomllib", reason="pyproject.toml is read from Python 3.11 on")

ROOT = sbom.ROOT
CLASSIFIERS = sbom.project()["classifiers"]


def versions_of(trove: str) -> set[str]:
    """The versions under a classifier, "Framework :: Django" for instance."""
    found = (re.fullmatch(rf"{trove} :: (\d+\.\d+)", each) for each in CLASSIFIERS)
    return {each[1] for each in found if each}


def environments_of_ci() -> set[tuple[str, str]]:
    """Python and Django of each environment that .ci/run starts; "" where it takes what is there."""
    script = (ROOT / ".ci/run").read_text()
    return {_main_environment(script), *map(_tox_environment, re.findall(r" -e ([\w-]+)", script))}


def _tox_environment(name: str) -> tuple[str, str]:
    """The environment as tox.ini has it: by a section of its own, else by its factors (py313-django61-…)."""
    tox = configparser.ConfigParser()
    tox.read_string((ROOT / "tox.ini").read_text())
    names = (f"testenv:{name}", re.sub(r"-\w+$", "-{sqlite,postgresql,mariadb}", f"testenv:{name}"))
    if section := next(filter(tox.has_section, names), ""):
        text = "\n".join(tox.get(section, key, fallback="") for key in ("base_python", "deps"))
        return _first(r"python(\d\.\d+)", text), _first(r"django[>=]=(\d\.\d)", text)
    factors = re.sub(r"\b(py|django)(\d)(\d+)\b", r"\1\2.\3", name)
    return _first(r"\bpy(\d\.\d+)", factors), _first(r"\bdjango(\d\.\d)", factors)


def _main_environment(script: str) -> tuple[str, str]:
    """The environment of .ci/run itself, and of the README's tests: the newest Django that its Python takes."""
    return _first(r"&& python=python(\d\.\d+)", script), {"6": "5.2"}[_first(r'"django<(\d)"', script)]


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def test_there_is_one_version() -> None:
    """The package says it, pyproject.toml reads it there, the newest chapter of the changelog is about it."""
    text = (ROOT / "pyproject.toml").read_text()
    assert "version" in sbom.project()["dynamic"]
    assert '[tool.hatch.version]\npath = "dfinery_django/__init__.py"' in text
    headings = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == dfinery_django.__version__


def test_it_claims_what_ci_runs() -> None:
    """The classifiers name each Python and each Django that CI runs the tests on, and no other."""
    run = environments_of_ci()
    assert versions_of("Programming Language :: Python") == {python for python, _ in run} - {""}
    assert versions_of("Framework :: Django") == {django for _, django in run} - {""}


def test_the_oldest_python_is_the_required_one() -> None:
    """What pip allows begins where the classifiers begin."""
    oldest = min(versions_of("Programming Language :: Python"), key=lambda version: int(version.split(".")[1]))
    assert sbom.project()["requires-python"] == f">={oldest}"


def test_the_bill_of_materials_is_up_to_date() -> None:
    """The committed file is what ``python -m tests.support.sbom`` writes."""
    assert sbom.FILE.read_text() == sbom.text()


def test_the_bill_names_each_requirement() -> None:
    """Each requirement of the package and of the extras for sites is there once, with its range and its licence."""
    bill: Any = json.loads(sbom.FILE.read_text())
    facts = sbom.project()
    extras = [each for name in sbom.EXTRAS for each in facts["optional-dependencies"][name]]
    named = [f"{each['name']}{each['properties'][0]['value']}" for each in bill["components"]]
    assert named == sorted([*facts["dependencies"], *extras], key=lambda each: re.split("[<>=]", each)[0])
    assert {each["scope"] for each in bill["components"] if each["name"] == "mysqlclient"} == {"optional"}
    for name, extra in facts["optional-dependencies"].items():
        is_ours = any(each.startswith("dfinery-django[") for each in extra)
        assert name in sbom.EXTRAS or is_ours or name in ("browser", "docs"), f"is {name} for sites?"


@pytest.mark.parametrize("name", sbom.LICENCES)
def test_a_licence_is_what_the_package_says(name: str) -> None:
    """The licence in the bill is the one in the metadata of the installed package, where those give one in SPDX."""
    try:
        said = metadata.metadata(name).get("License-Expression")
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    assert said in (None, sbom.LICENCES[name])
