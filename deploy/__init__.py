"""How Ringfence is set up: on one machine (`local`), in containers, in a cluster."""
