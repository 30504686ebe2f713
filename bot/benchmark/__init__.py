"""`python -m bot benchmark`: models and photos go in, times, memory and accuracy of each come out.

A row is one engine with one model, one number of threads and one size of batch (`matrix`). In every round each row
gets a new process (`worker`, driven by `worker_process`), so that starts and memory are clean and no other one is
awake. Rounds run forwards and backwards in turn, so that a machine that slows down treats all alike; ratios are taken
round by round (`statistics`). `results` puts samples into tables and pages.
What needs torch or OpenVINO lives in `export.baseline_engines` and is started by name: nothing here imports it.
"""
