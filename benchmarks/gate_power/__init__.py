"""How often a gate is right: error rates on real rankings and known changes of them."""
