"""`python -m pyflink_triton` is the command `pyflink-triton`."""

from pyflink_triton.command.app import main

if __name__ == "__main__":
    main()
