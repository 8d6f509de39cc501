"""What every room uses: words for people, errors, other programs, files; nothing here knows the stack."""
