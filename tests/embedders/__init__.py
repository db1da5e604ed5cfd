"""Programs that embed Circus 0.19 or plug into it, with circus-compat in its place."""
