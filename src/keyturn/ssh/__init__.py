"""The SSH face: git over SSH by a key of an account, and nothing else [RFC 4251 to 4254]."""
