"""An update in, by its lane and number; when it may compute or send out, and how long it waits for that."""
