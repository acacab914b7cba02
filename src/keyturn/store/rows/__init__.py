"""The statements, one file a noun; SqlTx (store/sql.py) is all of them together."""
