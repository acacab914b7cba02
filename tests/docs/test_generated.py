"""Law: docs/policies.md and docs/reasons.md are what the tables say, and have every kind, event and reason."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import BIN, run

from keyturn.actions import preview
from keyturn.core import published
from keyturn.core.policy import DEFAULT, LIVES, Event, Kind

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "write_docs.py"


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_docs", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["policies.md", "reasons.md"])
def test_a_page_is_what_the_tables_say(name: str, writer: ModuleType) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == writer.PAGES[name](), "run: python tools/write_docs.py"


def test_checking_writes_nothing_and_says_what_is_stale(
    writer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writer, "DOCS", tmp_path)
    assert writer.main(["--check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"docs/{name} is not what the tables say; run: python tools/write_docs.py" for name in writer.PAGES
    ]
    assert list(tmp_path.iterdir()) == []
    assert writer.main([]) == 0
    assert writer.main(["--check"]) == 0
    page = tmp_path / "policies.md"
    page.write_text(page.read_text(encoding="utf-8").replace("365 days", "366 days"), encoding="utf-8")
    assert writer.main(["--check"]) == 1


def test_it_runs_as_the_guide_says() -> None:
    done = run([sys.executable, str(TOOL), "--check"], None, {})
    assert (done.out, done.err, done.code) == ("", "", 0)


def test_every_kind_event_and_reason_is_there(writer: ModuleType) -> None:
    policies, reasons = writer.policies(), writer.reasons_page()
    assert set(writer.ABOUT) == set(Kind)
    assert set(writer.CAUSES) == set(Event)
    for kind, life in LIVES.items():
        assert f"### {life.noun[0].upper()}{life.noun[1:]}\n" in policies
        assert f"| `{kind}` |" in policies
    for (event, kind), effect in DEFAULT.effects.items():
        row = next(
            line
            for line in policies.splitlines()
            if line.replace("*", "").startswith(f"| {published.EVENTS[event]} | ")
        )
        assert row.split(" | ")[1 + list(LIVES).index(kind)].strip() == writer.SIGNS[effect]
    for group in published.REASONS.values():
        assert all(f"| `{reason}` | " in reasons for reason in group)
    assert "{" not in reasons.replace("{id", "")


def test_what_can_be_previewed_is_said_by_name_and_nothing_else(writer: ModuleType) -> None:
    section = writer.policies().partition("`keyturn auth:preview EVENT`")[2].partition("## Before")[0]
    of_the_cli, _, of_the_api = section.partition(" Routes that ")[0].partition("`GET /account/preview`")
    done = run([str(BIN / "keyturn"), "auth:preview", "--help"], None, {"COLUMNS": "300"})
    listed = next(line for line in done.out.splitlines() if line.split()[:1] == ["EVENT"]).split(None, 1)[1].split(", ")
    assert re.findall(r"`(.*?)`", of_the_cli) == listed
    both = {Event(name.replace("-", "_")) for name in listed} | {Event(n) for n in re.findall(r"`(.*?)`", of_the_api)}
    assert both == {*preview.OWN, Event.SUSPEND}
