"""What the paper's reproduction, the suite and the references share."""
