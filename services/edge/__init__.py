"""The public door: who may call, how often, how much at once; every client's connection ends here."""
