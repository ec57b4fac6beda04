"""Heads that classical estimators of scikit-learn are fitted for; what they learnt stands in tensors."""
