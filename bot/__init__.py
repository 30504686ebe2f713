"""The deployed half of Labelgram: a photo's bytes and one ONNX file go in, an answer comes out.

A photo takes three hops: `inference.decoding` (bytes -> pixels), `inference.classifier` (pixels -> prediction) and
`texts.replies` (prediction -> text). `telegram` wires them to messages, `preview` to a page in the browser, `commands`
to the shell. `app` makes everything and passes it in; `delivery` takes updates in and loses none.
Nothing in here imports torch, fastai, onnx, `training` or `export`.
"""

import os
import sys

__version__ = "0.3.0"

if sys.version_info < (3, 11):  # noqa: UP036  # who runs it by another Python is told
    sys.exit(f"Labelgram runs on Python 3.11 to 3.14. This is {sys.executable}, {sys.version.split()[0]}.")

# From 1.32 on onnxruntime reports its use to its makers, and keeps a device identifier in the user's cache folder.
# It reads this variable once, when it is first imported; set here, since nothing of ours is imported before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# numpy's OpenBLAS starts a thread with a buffer for each processor, and nothing here multiplies matrices with it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
