"""Model files: which there are, which are on this machine, and how they are loaded."""
