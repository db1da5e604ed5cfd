"""A service that needs a second before it takes connections, and then greets whoever comes."""

import os
import socket
import time

time.sleep(1)
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener:
    print("service: ready")
    while True:
        client, _ = listener.accept()
        with client:
            client.sendall(b"hello\n")
