"""The database: nodes, images and holds on disk, and which daemon may write them."""
