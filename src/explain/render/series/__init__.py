"""Series: lines over time, on the colours of their attribution."""
