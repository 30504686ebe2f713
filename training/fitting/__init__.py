"""Labelled photos in, a fitted learner out."""
