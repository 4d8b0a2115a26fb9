"""Networks and their surgery; training is elsewhere."""
