"""`python -m bot benchmark`: models and photos go in, times, memory and accuracy of each contender come out.

A contender is one engine with one model on one number of threads. In every round each is started anew in a process of
its own (`contender`, driven by `process`), so that starts and memory are clean and no other one is awake; rounds run
forwards and backwards in turn, so that a drift of the machine meets all alike. `options` (the command line),
`photos` (what is named), `lineup` (who competes), `command` (the rounds), `summary` (samples -> figures, by
`statistics`), `machine` (where it ran), `table` and `page` (how it is shown, drawn by `plots`).
What needs torch or OpenVINO lives in `export.baseline_engines` and is started by name: nothing of it is imported here.
"""
