"""Photo files in; batches out, decoded once, drawn evenly and augmented on the device that trains."""
