"""A model file and photos whose labels are known in; its claims judged, or measured and written again, out."""
