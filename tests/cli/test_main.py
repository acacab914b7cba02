"""Law: every command has one name in two spellings, a help and an exit code; a wrong word gets the right one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.conftest import run

import keyturn
from keyturn.cli.failures import EXIT_CODES, Cancelled, UsageError, exit_code
from keyturn.cli.main import ALIASES, COMMANDS, main, resolve
from keyturn.client import errors
from keyturn.client.hosts import HostError


@pytest.mark.parametrize("name", COMMANDS)
def test_topic_verb_and_topic_colon_verb_are_one_command(name: str) -> None:
    assert resolve([name, "-x", "y"]) == (name, ["-x", "y"])
    assert resolve([*name.split(":"), "-x"]) == (name, ["-x"])


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        (["whoami"], "auth:whoami", []),
        (["login", "-i"], "auth:login", ["-i"]),
        (["logout"], "auth:logout", []),
        (["authorizations:destroy", "ID"], "authorizations:revoke", ["ID"]),
        (["authorizations", "destroy", "ID"], "authorizations:revoke", ["ID"]),
        (["keys", "add", "add"], "keys:add", ["add"]),
        (["keys", "-l"], "keys", ["-l"]),
        ([], "help", []),
        (["-h"], "help", []),
        (["nonsense"], None, ["nonsense"]),
        (["auth"], None, ["auth"]),
    ],
)
def test_words_name_a_command(words: list[str], name: str | None, rest: list[str]) -> None:
    assert resolve(words) == (name, rest)


def test_every_alias_names_a_command() -> None:
    assert set(ALIASES.values()) <= set(COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in {"help", "serve", "admin"}])
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([name, "--help"], ["help", *name.split(":")]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        said = capsys.readouterr()
        assert said.out.startswith(f"usage: keyturn {name}")
        assert said.err == ""


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    assert {ALIASES.get(name, name) for name in listed} == set(COMMANDS) - {"help"}


def test_help_names_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help"]) == 0
    said = " ".join(capsys.readouterr().out.split()).partition("The exit code: ")[2]
    assert re.findall(r"\d+", said) == sorted({str(code) for _, code in EXIT_CODES} | {"0"}, key=int)
    page = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert said.rstrip(".") in page


def test_help_has_every_topics_commands_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    main(["help"])
    topics = capsys.readouterr().out.split("\n\n")[2:-1]
    assert "More" not in {topic.splitlines()[0] for topic in topics}  # each command has a topic
    for topic in topics:
        names = [line.split()[0] for line in topic.splitlines()[1:]]
        assert names == sorted(names)
    apps = next(topic for topic in topics if "apps:create" in topic)
    assert {"access:add", "git:clone"} <= set(apps.split())


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"keyturn/{keyturn.__version__} ")


@pytest.mark.parametrize(
    ("words", "wrong", "next_step"),
    [
        (["auht:token"], "auht:token is not", "keyturn auth:token"),
        (["auth", "tokn"], "auth is not", "keyturn auth:token"),
        (["lgoin"], "lgoin is not", "keyturn login"),
        (["xyzzy"], "xyzzy is not", "keyturn help"),
        (["--host", "x", "whoami"], "--host comes before", "keyturn help"),
        (
            ["authorizations:create", "--expires-in", "soon"],
            "'soon' is no span of time",
            "keyturn authorizations:create --help",
        ),
        (
            ["authorizations:create", "--expires-in", "0"],
            "'0' is no span of time",
            "keyturn authorizations:create --help",
        ),
        (["authorizations:create", "-S", "--json"], "not both", "keyturn authorizations:create --help"),
        (["authorizations:info"], "ID", "keyturn authorizations:info --help"),
        (["authorizations:update", "ID"], "nothing to change", "keyturn authorizations:update ID --description TEXT"),
        (["auth:token", "ktl_secret"], "unrecognized", "keyturn auth:token --help"),
        (["login", "--host", "http://a b"], "--host: ", ""),
        (["auth:token", "--host", "ftp://x"], "--host: ", ""),
        (["keys:clear"], "must be meant", "keyturn keys:clear --yes"),
    ],
)
def test_wrong_usage_is_2_with_what_to_type_instead(
    words: list[str], wrong: str, next_step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert wrong in said.err
    assert next_step in said.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2), (HostError("x"), 2), (errors.NotLoggedIn("x"), 4), (errors.Unauthorized(401, {}, {}), 4),
        (errors.Forbidden(403, {}, {}), 4), (errors.NotFound(404, {}, {}), 1), (errors.RateLimited(429, {}, {}), 1),
        (errors.ConnectionFailed("x"), 1), (errors.StorageFailed("x"), 1), (Cancelled("x"), 1), (KeyboardInterrupt(), 130),
        (OSError("x"), 1),
    ],
)  # fmt: skip
def test_an_error_has_one_exit_code(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("words", "closed", "code", "said"),
    [
        ("help", ">&-", 1, "standard output is closed"), ("--version", ">&-", 1, "standard output is closed"),
        ("auth:token --help", ">&-", 1, "standard output is closed"), ("whoami", "2>&-", 4, ""),
        ("whoami", "<&-", 4, "not logged in"),
        ("login -i", "<&-", 1, "no e-mail and password"), ("git:credentials get", "<&-", 0, ""), ("help", "<&- >&- 2>&-", 1, ""),
        ("keys:add -", "<&-", 1, "is not an SSH public key"),
    ],
)  # fmt: skip
def test_a_closed_stream_is_no_fault_of_ours(words: str, closed: str, code: int, said: str) -> None:
    done = run(["bash", "-c", f"keyturn {words} {closed}"], None, dict(os.environ))
    assert done.code == code, done
    assert "Traceback" not in done.out + done.err
    assert said in done.err
