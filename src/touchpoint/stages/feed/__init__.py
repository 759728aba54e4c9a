"""The stage of a topic with a dialect: translates a vendor's records and sends their facts to their media items."""
