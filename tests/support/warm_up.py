"""A small job of most that the tests' jobs have, for the JVM to load what classes they need."""

from pyflink.table import EnvironmentSettings, TableEnvironment

if __name__ == "__main__":
    for settings in (EnvironmentSettings.in_streaming_mode(), EnvironmentSettings.in_batch_mode()):
        env = TableEnvironment.create(settings)
        env.execute_sql("CREATE TEMPORARY VIEW numbers AS SELECT * FROM (VALUES (1), (2), (3)) AS t (x)")
        with env.execute_sql("SELECT x + 1 FROM numbers").collect() as rows:
            assert len(list(rows)) == 3
