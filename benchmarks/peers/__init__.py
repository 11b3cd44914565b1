"""Other ledgers on the same PostgreSQL: a durable debit of one account, eight clients, hot and spread.

None of their code is in this repository; who is not there is not in the table.
"""
