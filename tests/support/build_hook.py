"""Load the build hook, which is no module of a package."""

import runpy
from types import SimpleNamespace

from tests.support.checkout import CHECKOUT

hatch_build = SimpleNamespace(**runpy.run_path(str(CHECKOUT / "hatch_build.py")))
