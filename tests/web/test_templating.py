"""Compiled templates are kept as Python keeps compiled modules: where it may, and never beyond what they were made of."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from jinja2 import DictLoader, Environment

from keyturn.web import templating
from keyturn.web.templating import Compiled

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(templating, "FOLDER", tmp_path)
    return tmp_path / "__pycache__"


def rendered(text: str) -> str:
    return (
        Environment(loader=DictLoader({"a.html": text}), autoescape=True, bytecode_cache=Compiled())
        .get_template("a.html")
        .render(x="<")
    )


def kept(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


def test_the_second_start_compiles_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered("{{ x }}") == "&lt;"
    before = kept(folder)
    assert len(before) == 1
    monkeypatch.setattr(Environment, "_generate", lambda *_: pytest.fail("compiled again"))
    assert rendered("{{ x }}") == "&lt;"
    assert kept(folder) == before


def test_a_changed_template_is_compiled_anew(folder: Path) -> None:
    assert rendered("old {{ x }}") == "old &lt;"
    assert rendered("new {{ x }}") == "new &lt;"
    assert len(kept(folder)) == 1


@pytest.mark.parametrize("damage", [b"", b"garbage", b"j2"])
def test_a_damaged_file_is_made_anew(folder: Path, damage: bytes) -> None:
    rendered("{{ x }}")
    (file,) = folder.iterdir()
    file.write_bytes(damage)
    assert rendered("{{ x }}") == "&lt;"
    assert file.stat().st_size > 20


def test_another_jinja_or_python_does_not_meet_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered("{{ x }}")
    monkeypatch.setattr("jinja2.__version__", "99")
    rendered("{{ x }}")
    assert len(kept(folder)) == 2
    assert all(sys.implementation.cache_tag in name for name in kept(folder))


def test_where_python_keeps_its_own_elsewhere_or_nowhere_so_are_they(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = folder.parent / "elsewhere"
    monkeypatch.setattr(sys, "pycache_prefix", str(elsewhere))
    rendered("{{ x }}")
    assert not folder.exists()
    assert [file for file in elsewhere.rglob("*") if file.is_file()]
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered("{{ x }}") == "&lt;"
    assert not folder.exists()


def test_a_package_that_may_not_be_written_to_is_served_all_the_same(folder: Path) -> None:
    folder.write_text("in the way, as for somebody who may not")
    assert rendered("{{ x }}") == "&lt;"
    assert os.path.isfile(folder)
