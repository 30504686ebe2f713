"""What makes the start quick and the process small."""
