"""What every stage of `loc` stands on: media, store, policy, backends, runner."""

import os

# Before numpy is imported anywhere. The systems solved here have under a hundred unknowns: on two busy cores
# OpenBLAS's threads, which spin while they wait for one another, took 27 ms for one of 0.07 ms. Work is
# spread by action instead (`--workers`), and a result must not depend on how many threads summed it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Before torch is imported anywhere. Its OpenMP threads spin for milliseconds while they wait for work. Two
# processes that computed on two cores, each with two threads, took 3.1 times as long as with this bound
# (272 s to 89 s, small networks of every kind), and one alone took no longer (48 s to 47 s).
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

__version__ = "0.1.0"
