"""What a Google Cloud project, or this machine, lacks for a deployment. Nothing is changed."""
