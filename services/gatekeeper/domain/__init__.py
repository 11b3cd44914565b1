"""The gate's rules: pure, integers and instants in, values out.

Read `asks` (what is asked), `state` (what the books say), `admission` (the refusals in their order), `grants` (how much
is given), `decide` (all of it together) and `outcomes` (what may come of it).
"""
