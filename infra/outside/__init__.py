"""Which addresses our requests may go to: hosts of the public Internet, and nothing inside."""
