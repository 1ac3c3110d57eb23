"""Why a document scores as it does: MaxSim taken apart, query token by query token."""
