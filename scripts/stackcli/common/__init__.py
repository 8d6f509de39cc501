"""What every package uses: console output, errors, other programs, files; nothing here knows the stack."""
