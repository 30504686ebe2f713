"""Trainings without each collection in; how good the recipe is on photos of a source it never saw out.

One training without each collection gives that collection's logits (`runs`, a JSON file each, in the report's folder).
All of them together give figures, a temperature and the limits of "not sure" (`figures`). These figures are of nets
that are not in the exported file.
"""
