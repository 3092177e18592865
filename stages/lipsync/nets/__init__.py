"""What the neural mouth renderers share: the ear (whisper-tiny's encoder) and the eye (sd-vae-ft-mse).

These modules import torch; backends import them inside their methods.
"""
