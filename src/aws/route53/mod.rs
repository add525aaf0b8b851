//! Route 53: records, and the zones that they stand in.
