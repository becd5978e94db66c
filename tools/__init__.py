"""What builds and tests the programs needs besides pytest."""
