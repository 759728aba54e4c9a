"""The stage of parties: keeps the facts of each party and closes its interactions when event time has passed them."""
