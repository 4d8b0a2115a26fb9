"""The documents, and what generates pages of them."""
