"""`intents admin migrate`: the database's schema, records of older ones, the seed's own collection.

schema.py keeps which version of the store may start; renew.py brings records up to date; stranger.py reads what
another system wrote into our collection, adopt.py takes it over; run.py does them in order.
"""
