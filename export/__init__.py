"""The export half of Labelgram: a trained Learner goes in, one self-describing ONNX file and its card come out.

`pipeline` is the way: a `training_run`, its `graph`, what it scores (`measure`), what the file says of itself
(`metadata`) and the `card` made of that. `verification` starts from the file; `bot.inference.contract` is the schema.
"""

# Before fastai and onnxruntime: they silence a warning and switch telemetry off.
import bot  # noqa: F401
import training  # noqa: F401
