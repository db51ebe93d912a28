"""The worker that the Java shim starts: ``python -m pyflink_triton.bridge``; see docs/bridge-protocol.md."""
