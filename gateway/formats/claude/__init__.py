"""What Claude takes and says, whichever API it is asked through: Messages or Converse."""
