"""A program that ends at once if the service is not there."""

import os
import socket
import time

with socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))) as service:
    print("client: the service says", service.makefile().readline(), end="")
while True:
    time.sleep(3600)
