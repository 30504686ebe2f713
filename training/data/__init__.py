"""Folders of photos in, labelled and split photos out."""
