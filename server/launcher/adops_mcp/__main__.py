"""`python -m adops_mcp` runs the same command line as `adops-mcp`."""

import sys

from adops_mcp import main

if __name__ == "__main__":
    sys.exit(main())
