"""Behind `slipway model`: which models there are, how one is fetched, what it can do, which one is chosen."""
