//! Secrets Manager: secrets that coderctl makes and keeps.
