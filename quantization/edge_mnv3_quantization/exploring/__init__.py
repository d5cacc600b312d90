"""Which of several int8 files is worth its cost: accuracy against cost, the Pareto front and its knee."""
