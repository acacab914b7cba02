"""Law: docs/library.md does what it says, word for word, and draws the errors that there are."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import run

from keyturn.client import errors

if TYPE_CHECKING:
    from tests.conftest import Account, Cli

GUIDE = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```\n\nprints\n\n```text\n(.*?)```", GUIDE, re.DOTALL)


def test_every_example_is_one_that_runs() -> None:
    assert len(EXAMPLES) == GUIDE.count("```python") == 2


@pytest.mark.parametrize(("example", "printed"), EXAMPLES, ids=["authorizations", "apps"])
def test_an_example_prints_what_the_guide_says(
    example: str, printed: str, keyturn: Cli, account: Account, tmp_path: Path
) -> None:
    keyturn.log_in(account)
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    done = run([sys.executable, "-X", "dev", "-W", "error", str(script)], None, keyturn.env())
    assert (done.out, done.err, done.code) == (printed.replace("me@example.com", account.email), "", 0)


def test_the_guide_draws_every_error() -> None:
    drawn = re.findall(r"(?:──|^)\s?(\w+) ", GUIDE.split("## What can go wrong")[1], re.MULTILINE)
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds <= set(drawn)
