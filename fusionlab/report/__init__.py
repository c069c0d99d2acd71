"""What people look at: tables, images, summaries."""
