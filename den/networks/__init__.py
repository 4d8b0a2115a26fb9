"""Networks and their surgery. `den.training` trains them."""
