"""`python -m savg`."""

import sys

from savg.cli import main

sys.exit(main())
