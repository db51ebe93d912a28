"""What PyFlink's Table API gets: functions, a model provider, predict and connect; only here is pyflink imported.

What relies on the inside of PyFlink stands in `compat`, below the rest.
"""
