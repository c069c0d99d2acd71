"""What train.py and evaluate.py run once their arguments are understood."""
