"""Sync scores by trained networks: does this face say this sound?

`syncnet` is the evaluator that the field reports (SyncNet v2, "LSE-C" and "LSE-D"), `stable` the network that
LatentSync is trained against. Both are measures of their own; neither is ever put on the other's scale.
"""
