"""What relies on the inside of PyFlink and Py4J; docs/compat.md has an entry for each module.

No other module imports PyFlink's worker, its gateway or Py4J, or touches a private name of another library. Each
module here compares what it uses with what is known, and refuses what differs with a sentence.
"""

from pyflink_triton._internals import Library

PYFLINK = Library("PyFlink", "apache-flink==2.3.0")
