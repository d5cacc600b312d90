"""What firmware with TensorFlow Lite Micro does, run by a Python that has its interpreter.

The interpreter lives in an environment of its own, as MediaPipe does. Nothing of this project is imported.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main() -> None:
    """Runs MODEL on the images of IMAGES.npy, (n, rows, columns, channels); writes ANSWERS.npy."""
    from tflite_micro import runtime

    model, images, answers = map(Path, sys.argv[1:])
    interpreter = runtime.Interpreter.from_file(str(model))
    outputs = []
    for image in np.load(images):
        interpreter.set_input(image[np.newaxis], 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0)[0].copy())
    np.save(answers, np.stack(outputs))


if __name__ == "__main__":
    main()
