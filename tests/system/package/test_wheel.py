"""The wheel: the same bytes wherever and whenever it is built, with all that belongs in it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
from base64 import urlsafe_b64encode
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import dfinery_django
from tests.support import sbom

ROOT = sbom.ROOT
PACKAGE = ROOT / "dfinery_django"
VERSION = dfinery_django.__version__
INFO = f"dfinery_django-{VERSION}.dist-info"
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in PACKAGE.rglob("*")
    if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
)

Build = Callable[..., Path]


def copy_sources(to: Path, *, seed: int, mode: int, modified_at: int) -> None:
    """Copy what a wheel is built from, file by file in a random order."""
    others = ["pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", sbom.FILE.name]
    names = [*FILES, *others]
    random.Random(seed).shuffle(names)
    for name in names:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, to / name)
        (to / name).chmod(mode)
        os.utime(to / name, (modified_at, modified_at))


def run(command: list[str], cwd: Path, *, umask: int = 0o022, **environment: str) -> None:
    kept = {key: value for key, value in os.environ.items() if key not in ("SOURCE_DATE_EPOCH", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=kept | environment, umask=umask, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel as hatchling builds it here; as pip builds it elsewhere, in other surroundings; from the sdist."""
    here = tmp_path_factory.mktemp("here")
    copy_sources(here, seed=1, mode=0o644, modified_at=1_000_000_000)
    run(["hatchling", "build", "-d", "dist"], here, TZ="America/St_Johns", LC_ALL="C", PYTHONHASHSEED="1")

    there = tmp_path_factory.mktemp("there") / "deeper" / "쇼핑몰 1"
    copy_sources(there, seed=2, mode=0o600, modified_at=1_900_000_000)
    (there / "dfinery_django/__pycache__").mkdir()
    (there / "dfinery_django/__pycache__/conf.cpython-311.pyc").write_bytes(b"compiled")
    pip = ["pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    run(pip, there, umask=0o077, TZ="Asia/Seoul", LC_ALL="ko_KR.UTF-8", PYTHONHASHSEED="2")

    unpacked = tmp_path_factory.mktemp("unpacked")
    sdist = here / f"dist/dfinery_django-{VERSION}.tar.gz"
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    source = unpacked / f"dfinery_django-{VERSION}"
    run(["hatchling", "build", "-t", "wheel", "-d", "dist"], source, umask=0o002, TZ="UTC", LC_ALL="C.UTF-8")

    name = f"dfinery_django-{VERSION}-py3-none-any.whl"
    return {"here": here / "dist" / name, "there": there / "dist" / name, "from the sdist": source / "dist" / name}


@pytest.mark.parametrize("other", ["there", "from the sdist"])
def test_it_is_the_same_bytes_wherever_it_is_built(built: dict[str, Path], other: str) -> None:
    """Folder, order of files, modes, umask, times, time zone, locale, hash seed and front end leave no trace."""
    first, second = built["here"], built[other]
    with ZipFile(first) as one, ZipFile(second) as two:  # says which file differs
        assert [each.filename for each in one.infolist()] == [each.filename for each in two.infolist()]
        assert [name for name in one.namelist() if one.read(name) != two.read(name)] == []
    assert first.read_bytes() == second.read_bytes()


def test_it_contains_the_package_and_its_papers(built: dict[str, Path]) -> None:
    """Every file of the package, templates and catalogues too, the licence, the bill of materials; nothing else."""
    papers = ["METADATA", "RECORD", "WHEEL", "licenses/LICENSE", f"sboms/{sbom.FILE.name}"]
    with ZipFile(built["here"]) as wheel:
        assert sorted(wheel.namelist()) == sorted([*FILES, *(f"{INFO}/{name}" for name in papers)])
        assert [name for name in FILES if wheel.read(name) != (ROOT / name).read_bytes()] == []
    needed = {"py.typed", "migrations/0001_initial.py", "templates/dfinery_django/sandbox.html"}
    needed |= {
        "static/dfinery_django/overview.js",
        "locale/ko/LC_MESSAGES/django.mo",
        "locale/ja/LC_MESSAGES/django.mo",
    }
    assert {f"dfinery_django/{name}" for name in needed} <= set(FILES)


def test_its_record_has_the_hash_of_each_file(built: dict[str, Path]) -> None:
    """RECORD lists all files with their SHA-256, so that pip finds a damaged one."""
    with ZipFile(built["here"]) as wheel:
        rows = [line.rsplit(",", 2) for line in wheel.read(f"{INFO}/RECORD").decode().splitlines()]
        assert sorted(name for name, _, _ in rows) == sorted(wheel.namelist())
        for name, digest, size in rows:
            content = wheel.read(name)
            own = urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (("", "") if name.endswith("/RECORD") else (f"sha256={own}", str(len(content))))


def test_its_metadata_are_those_of_the_project(built: dict[str, Path]) -> None:
    """Name, version, licence, Pythons and requirements are what pyproject.toml and the package say."""
    with ZipFile(built["here"]) as wheel:
        said = Parser().parsestr(wheel.read(f"{INFO}/METADATA").decode())
    facts = sbom.project()
    assert (said["Name"], said["Version"]) == ("dfinery-django", VERSION)
    assert (said["License-Expression"], said["Requires-Python"]) == (facts["license"], facts["requires-python"])
    required = {each for each in said.get_all("Requires-Dist", []) if "extra ==" not in each}
    assert required == set(facts["dependencies"])
    assert set(said.get_all("Provides-Extra", [])) == set(facts["optional-dependencies"])
    assert set(said.get_all("Classifier", [])) == set(facts["classifiers"])


def test_its_bill_of_materials_is_cyclonedx(built: dict[str, Path]) -> None:
    """The bill inside is the committed one, valid against the schema of CycloneDX 1.6, and about this version."""
    with ZipFile(built["here"]) as wheel:
        text = wheel.read(f"{INFO}/sboms/{sbom.FILE.name}").decode()
    assert text == sbom.FILE.read_text()
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert fault is None, str(fault)[:500]
    assert json.loads(text)["metadata"]["component"]["version"] == VERSION
