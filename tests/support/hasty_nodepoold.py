"""nodepoold with two of its waits cut short, for tests that kill it: what a killed daemon asked of
a cloud and was not told is given up after seconds, and builds that ended unheard are found soon."""

from __future__ import annotations

import sys

from nodepool.cmd.nodepoold import main
from nodepool.core import removal, surveys

#: longer than the sandbox cloud takes for an answer
removal.DOUBT_SECONDS = 4.0
surveys.SURVEY_MARGIN = 4.0

if __name__ == "__main__":
    sys.exit(main())
