"""What a server does, without any network: published files, requests and their answers."""
