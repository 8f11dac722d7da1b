"""`python -m pipersr_build` is `pipersr-build`."""

import sys

from pipersr_build.cli import main

sys.exit(main())
