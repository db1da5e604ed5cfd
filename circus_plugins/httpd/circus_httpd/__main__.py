"""`python -m circus_httpd` is `circushttpd`: this is how circusd starts it."""

import sys

from circus_httpd.command_line import main

if __name__ == "__main__":
    sys.exit(main())
