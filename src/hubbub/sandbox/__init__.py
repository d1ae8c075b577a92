"""JavaScript of documents, evaluated in a process of its own."""
