"""`compatmatrix`, and `python -m compatmatrix`."""

import signal
import sys


def main() -> int:
    """Run the command line of this process; returns its exit code."""
    # A runner that cancels a job says so before it kills: time enough to end what runs and to say how to go on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from compatmatrix.cli.main import main as run

        return run()
    except KeyboardInterrupt:  # before there was anything to break off
        print("interrupted: nothing was begun, and the same command begins", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
