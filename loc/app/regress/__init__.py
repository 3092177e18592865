"""`loc regress`: are the dubs of some samples still as good as those that were accepted?

samples.py    which videos, and into which languages
work.py       a cold `loc run` of each in a process of its own, and what this machine's seconds are worth
measure.py    what came out: from the report and from the delivered file itself (sound.py, picture.py)
baseline.py   the same figures as accepted, in a file that its owner commits
compare.py    the two against each other, with the tolerances of measures.py
junit.py, markdown.py, page.py   the findings for a build server, a reviewer and eyes
"""
