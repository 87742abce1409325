"""What two or more of Slipway's deployables share, and nothing about the product."""
