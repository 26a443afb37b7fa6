"""Signed places in swift for what builds upload: account.py logs in, uploads.py signs."""
