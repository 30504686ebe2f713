"""A learner's net in, an ONNX graph out: float32, then int8, each checked photo by photo against its source."""
