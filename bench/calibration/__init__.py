"""What a container's launch costs beside the least that it could cost, and beside other programs that launch them."""
