"""Output of processes of papa; gone since Circus 0.18."""

from circus._gone import refuse

refuse(__name__, "papa ended with Circus 0.18: use circus.stream.Redirector")
