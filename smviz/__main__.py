"""`python -m smviz`: the same as the command `smviz`."""

import sys

from smviz.cli import main

sys.exit(main())
