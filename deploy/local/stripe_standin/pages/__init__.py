"""The hosted pages: card entry, 3-D Secure, and the browser library that leads to them."""
