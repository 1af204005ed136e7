"""What metrics share that compare values with drops of the score: values that add up, random subsets, groups."""
