"""Choosing policies: range test, search, verification, composition, recommendation, and the database behind them."""
