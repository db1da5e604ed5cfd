"""The control plane: requests come in, are checked and carried out, and answers and events go out."""
