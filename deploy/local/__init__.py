"""Private PostgreSQL and RabbitMQ servers for `make run`, `make demo` and `make test`."""
