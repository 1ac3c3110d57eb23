"""One thread at a time in numba's parallel code.

numba ends the process where two threads enter parallel code at once and its layer is `workqueue`,
which importing ranx chooses. A run has processes for its systems; what is called from Python may be
called in threads.
"""

from __future__ import annotations

import threading

ALONE = threading.RLock()
"""Held while parallel code of numba runs that threads may reach."""
