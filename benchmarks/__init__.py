"""How fast Ringfence is, as ratios to the limits of the machine it runs on, taken in the same run."""
