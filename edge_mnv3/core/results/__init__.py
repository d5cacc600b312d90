"""The frozen results that stages return and files hold, and their JSON."""
