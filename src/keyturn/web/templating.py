"""The pages' templates, compiled once a machine: their code is kept beside them, as Python keeps that of its modules."""

from __future__ import annotations

import hashlib
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jinja2
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, select_autoescape

from keyturn.web import words

if TYPE_CHECKING:
    from jinja2.bccache import Bucket

FOLDER: Final = Path(__file__).parent / "templates"


class Compiled(FileSystemBytecodeCache):
    """Files that are as trustworthy as the package's own: whoever may write there may change the package. Where the server may
    not, every start compiles anew. A changed template is noticed by its text, another Jinja or Python by the name.
    """

    def __init__(self) -> None:
        prefix = sys.pycache_prefix
        folder = Path(prefix, *FOLDER.parts[1:]) if prefix else FOLDER / "__pycache__"
        # what this module sets (escaping!) is in the code as well
        settings = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
        super().__init__(str(folder), f"%s.{sys.implementation.cache_tag}.jinja-{jinja2.__version__}.{settings}")

    def load_bytecode(self, bucket: Bucket) -> None:
        """Takes a template's code, if it is kept."""
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps a template's code, if that is wished and possible."""
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):  # a folder of somebody else's, a full disk
            super().dump_bytecode(bucket)


templates = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    auto_reload=False,
    bytecode_cache=Compiled(),
)

# macros that are imported see only globals
templates.globals["words_of"] = words


@cache
def warm() -> None:
    """Loads every template, which otherwise the first visitors wait for: once a process."""
    for name in templates.list_templates(extensions=["html"]):
        templates.get_template(name)
