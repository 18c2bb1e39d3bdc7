"""Settings of every test: what hypothesis tries is the same at each run, so that a failure is one again.

``HYPOTHESIS_PROFILE=explore make test`` tries other examples each time.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
