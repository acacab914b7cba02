"""``python -m keyturn``: the command line, where no `keyturn` is on the PATH."""

from __future__ import annotations

import sys

from keyturn.cli.main import main

sys.exit(main())
