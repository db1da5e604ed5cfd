"""What a client can ask for: one file per command, in `circus.commands` under its name.

A file holds the request, the result and the command class. It is imported by circusd and by circusctl, which
wants to be quick: at import it needs no arbiter, no zmq, no loop.
"""
