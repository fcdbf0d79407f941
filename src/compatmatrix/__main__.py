"""`python -m compatmatrix`."""

import sys

from compatmatrix.cli import main

sys.exit(main())
