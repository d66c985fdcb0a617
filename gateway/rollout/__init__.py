"""The state that calls read (table) and write (recorder), and the loop between them and the store."""
