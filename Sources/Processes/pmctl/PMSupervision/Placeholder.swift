// Removed with the first source file.
