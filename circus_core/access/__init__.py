"""Who may talk to the daemon, and the sockets that let in only those."""
