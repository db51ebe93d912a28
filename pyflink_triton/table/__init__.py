"""What PyFlink's Table API gets: functions, a model provider, predict and connect; only here is pyflink imported."""
