"""The commands that check the installation and bring a lost database back."""
