"""The edges of nodepool: clouds and SSH, on threads of their own."""
