"""The programme: what turns runs into an auditable decision (specification 5)."""
