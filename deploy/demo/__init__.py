"""`make demo`: a day on the phone, played by a platform, billed by Ringfence, explained to the cent.

Two processes. `run` sets everything up, hosts the whole system and, when the day is over, looks at the dead
letters and audits the books. `platform` plays the day: it knows an address, a key and two users of the broker, and
imports nothing of Ringfence. A chapter of the day is a file in `chapters/`.
"""
