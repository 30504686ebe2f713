"""The deployed half of Labelgram: a photo's bytes and one ONNX file go in, an answer comes out.

`photo` (bytes -> pixels), `classifier` (pixels -> prediction) and `replies` (prediction -> text) are the
three hops; `handlers` wires them to Telegram, `preview` to a page in the browser, `classify` to the shell. `telegram`
makes everything and takes updates in (`polling`, `webhook`); `delivery` loses none, by the `ledger`.
Nothing in here imports torch, fastai, onnx, `training` or `export`.
"""

import os

# From 1.32 on onnxruntime reports its use to its makers, and keeps a device identifier in the user's cache folder.
# It reads this variable once, when it is first imported; set here, since nothing of ours is imported before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# numpy's OpenBLAS starts a thread with a buffer for each processor, and nothing here multiplies matrices with it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
