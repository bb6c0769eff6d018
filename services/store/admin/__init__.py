"""`intents admin` and `python -m services.store <verb>`: what an operator does to the store's database.

main.py finds the verb; each verb is a module with `add` (its arguments) and `run`.
"""
