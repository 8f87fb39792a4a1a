"""What a person looks at: curves, embedding pictures, the page about a run."""
