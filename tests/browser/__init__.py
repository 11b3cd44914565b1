"""A package, so that its running system ends with its last test and takes no other test's messages."""
