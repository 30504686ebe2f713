"""The export half of Labelgram: a trained Learner goes in, one self-describing ONNX file comes out.

`source` (what the training left), `graph` (Learner -> ONNX graph), `quantize` (float32 -> int8, with `first_layer`),
`parity` (does the file say what the learner says), `unsure` (when it should not say), `figures` (what the file scores),
`card` (those figures as a page), `verify` (are they true); `bot.inference.contract` is the schema.
"""

# Before fastai and onnxruntime: they silence a warning and switch telemetry off.
import bot  # noqa: F401
import training  # noqa: F401
