-- How much content this partition holds: trim is told what of it is too much over all of them.
return TOTALS.bytes
