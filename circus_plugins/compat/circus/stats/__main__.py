"""`python -m circus.stats`: circusd-stats."""

from circus.stats import main

main()
