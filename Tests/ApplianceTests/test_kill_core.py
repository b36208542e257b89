"""A short run of `kill_core.py`; a person runs hundreds."""
import os

from kill_core import kill

KILLS = 20


def test_no_kill_loses_or_doubles_a_row(tmp_path):
    figures, faults = kill(os.environ["PM_BIN"], tmp_path, KILLS, seed=20)
    assert not any(faults.values()), (figures, faults)
    # It was under load, and the moments were of all kinds.
    assert figures["answered whole"] > KILLS and figures["rows unsettled"] > 0, figures
