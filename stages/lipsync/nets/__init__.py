"""What the neural mouth renderers share: the ear (whisper-tiny's encoder), the eye (sd-vae-ft-mse), and
the nets that upstream finds faces with.

Modules of nets import torch; backends import them inside their methods. `rows` and `memory` import none.
"""
