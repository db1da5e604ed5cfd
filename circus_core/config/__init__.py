"""What the user asked for: option table, readers, and the frozen values they give."""
