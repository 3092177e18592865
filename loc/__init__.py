"""What every stage of `loc` stands on: media, store, policy, backends, runner."""

import os

# Before numpy is imported anywhere. The systems solved here have under a hundred unknowns: on two busy cores
# OpenBLAS's threads, which spin while they wait for one another, took 27 ms for one of 0.07 ms. Work is
# spread by action instead (`--workers`), and a result must not depend on how many threads summed it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
