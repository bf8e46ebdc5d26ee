"""On PYTHONPATH, this gives every Python process the date in TEST_DATE; its clock goes on ticking from there.

Not libfaketime: Debian's breaks `clock_nanosleep`, and with it `time.sleep` and `Event.wait` of Python 3.11.
"""

import os
import sys
from datetime import UTC, datetime, timedelta

import time_machine

_given = os.environ["TEST_DATE"]
_moment = (
    datetime.now(UTC) + timedelta(days=int(_given.removeprefix("+")))
    if _given.startswith("+")
    else datetime.fromisoformat(_given)
)
time_machine.travel(_moment.timestamp(), tick=True).start()
del sys.modules["time_machine"]  # pytest wants to import it itself: it is a plugin too
