"""Takes each promise's protection out and sees the test named for it fail (`make mutants`)."""
