"""How often one may submit: "20 in any 15 minutes", whichever 15 minutes one looks at."""
