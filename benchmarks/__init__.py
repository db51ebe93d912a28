"""What models cost in Flink jobs, beside raw tritonclient on the same server in the same run: `make bench`.

`workloads` says what is asked, `server` serves it, `contenders` ask it in turns (`turns`), each in a process or a Flink
job of its own; `latency`, `scaling` and `footprint` measure the rest; `targets` judges and `report` shows the results.
"""
