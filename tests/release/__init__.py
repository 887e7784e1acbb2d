"""What is made of the project for those who install it: a bundle, an image, an entry in a registry."""
