"""What every process costs, published by circusd-stats and shown by circus-top."""
